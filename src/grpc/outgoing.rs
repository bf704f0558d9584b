//! The sending half of a stream.
//!
//! Owns the way from encoded messages to DATA frames. It gives h2 only bytes that the peer's window
//! has room for: nothing piles up there for a slow reader, and a message in flight is never hidden.
//! It never sends before it is polled, and must be polled from one task only.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;

/// The peer has ended the stream, or the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamClosed;

/// The messages to send: at most one that h2 does not have yet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    stream: SendStream<Bytes>,
    remaining: Bytes,
    /// The length of the message that `remaining` is the end of.
    length: usize,
    /// Pieces given to h2 since the start.
    pieces: u64,
    /// The peer's window has no room for `remaining`.
    blocked: bool,
}

impl Outgoing {
    pub(crate) const fn new(stream: SendStream<Bytes>) -> Self {
        Self {
            stream,
            remaining: Bytes::new(),
            length: 0,
            pieces: 0,
            blocked: false,
        }
    }

    /// Makes `message` the next to send. Only after `poll_flush` has returned `Ready`.
    pub(crate) fn start_send(&mut self, message: Bytes) {
        self.length = message.len();
        self.remaining = message;
    }

    /// Drops a message of which nothing was sent yet.
    pub(crate) fn cancel_unsent(&mut self) {
        if self.remaining.len() == self.length {
            self.start_send(Bytes::new());
        }
    }

    /// Completes once h2 has the message. It may be dropped and polled anew.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamClosed>> {
        while !self.remaining.is_empty() {
            self.stream.reserve_capacity(self.remaining.len());
            let room = match self.stream.capacity() {
                0 => match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(StreamClosed)),
                    Poll::Pending => {
                        self.blocked = true;
                        return Poll::Pending;
                    }
                },
                room => room,
            };
            self.blocked = false;
            self.pieces = self.pieces.wrapping_add(1);
            let piece = self.remaining.split_to(room.min(self.remaining.len()));
            if self.stream.send_data(piece, false).is_err() {
                return Poll::Ready(Err(StreamClosed));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that h2 does not have yet.
    pub(crate) const fn buffered(&self) -> usize {
        self.remaining.len()
    }

    /// While the peer's window has no room for the rest: the number of pieces before it.
    pub(crate) fn blocked_after(&self) -> Option<u64> {
        (self.blocked && !self.remaining.is_empty()).then_some(self.pieces)
    }

    /// Completes when the peer resets the stream or the connection is lost.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(|_| ())
    }

    /// Ends the stream with trailers. A message that has not begun is dropped. After a part of a
    /// message no trailers are possible, so the stream is reset with `reason`.
    pub(crate) fn end_with_trailers(mut self, trailers: HeaderMap, reason: Reason) {
        let partly_sent = !self.remaining.is_empty() && self.remaining.len() < self.length;
        if partly_sent {
            self.stream.send_reset(reason);
        } else if self.stream.send_trailers(trailers).is_err() {
            // The stream has ended, and this does nothing, or HTTP/2 forbids one of the headers.
            self.stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Half-closes the stream without trailers, as clients do. Only after `poll_flush` has returned
    /// `Ready`.
    pub(crate) fn end(&mut self) -> Result<(), StreamClosed> {
        self.stream
            .send_data(Bytes::new(), true)
            .map_err(|_| StreamClosed)
    }
}
