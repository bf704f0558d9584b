//! The sending half of a stream.
//!
//! Owns the way from encoded messages to DATA frames. It hands h2 only what the peer's window has room
//! for, so nothing of a slow reader's piles up there and it is always known whether a message is under
//! way. It never sends before it is polled, and must be polled from one task only.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;

/// The peer has ended the stream, or the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// The messages on their way out: at most one that is not yet with h2.
#[derive(Debug)]
pub(crate) struct Outgoing {
    stream: SendStream<Bytes>,
    rest: Bytes,
    /// The length of the message that `rest` is the end of.
    whole: usize,
    /// The pieces that have gone.
    gone: u64,
    /// The peer's window has no room for the rest.
    stuck: bool,
}

impl Outgoing {
    pub(crate) const fn new(stream: SendStream<Bytes>) -> Self {
        Self {
            stream,
            rest: Bytes::new(),
            whole: 0,
            gone: 0,
            stuck: false,
        }
    }

    /// Makes `message` the next to go. Only after `poll_flush` has returned `Ready`.
    pub(crate) fn put(&mut self, message: Bytes) {
        self.whole = message.len();
        self.rest = message;
    }

    /// Drops a message that has been put and has not begun to go.
    pub(crate) fn take_back(&mut self) {
        if self.rest.len() == self.whole {
            self.put(Bytes::new());
        }
    }

    /// Completes once the message is with h2. It may be dropped and polled anew: what has not gone
    /// stays here.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        while !self.rest.is_empty() {
            self.stream.reserve_capacity(self.rest.len());
            let room = match self.stream.capacity() {
                0 => match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(Closed)),
                    Poll::Pending => {
                        self.stuck = true;
                        return Poll::Pending;
                    }
                },
                room => room,
            };
            self.stuck = false;
            self.gone = self.gone.wrapping_add(1);
            let piece = self.rest.split_to(room.min(self.rest.len()));
            if self.stream.send_data(piece, false).is_err() {
                return Poll::Ready(Err(Closed));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that are still to go.
    pub(crate) const fn held(&self) -> usize {
        self.rest.len()
    }

    /// While the peer leaves no room for what is to go: how many pieces had gone before.
    pub(crate) fn stuck(&self) -> Option<u64> {
        (self.stuck && !self.rest.is_empty()).then_some(self.gone)
    }

    /// Completes when the peer resets the stream or the connection is lost.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(|_| ())
    }

    /// Ends the stream with trailers. A message that has not begun is dropped; one that is cut in two
    /// leaves no place for trailers, and the stream is reset with `otherwise`.
    pub(crate) fn end_with_trailers(mut self, trailers: HeaderMap, otherwise: Reason) {
        let cut = !self.rest.is_empty() && self.rest.len() < self.whole;
        if cut {
            self.stream.send_reset(otherwise);
        } else if self.stream.send_trailers(trailers).is_err() {
            // Either the stream has ended already, and this does nothing, or the metadata holds
            // something that HTTP/2 forbids.
            self.stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Half-closes the stream without trailers, as clients do. Only after `poll_flush` has returned
    /// `Ready`.
    pub(crate) fn end(&mut self) -> Result<(), Closed> {
        self.stream
            .send_data(Bytes::new(), true)
            .map_err(|_| Closed)
    }
}
