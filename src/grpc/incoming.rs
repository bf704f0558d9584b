//! The receiving half of a stream.
//!
//! Owns the way from DATA frames to messages, and returns the flow-control window for bytes as it
//! takes them over. It never takes more than its caller asks for: unread bytes stay in the window,
//! which a peer can fill once. It must be polled from one task only.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

use crate::grpc::rules::message::{Decoder, FramingError};

/// Why there is no message.
#[derive(Debug)]
pub(crate) enum ReceiveError {
    /// The bytes are not a message.
    Framing(FramingError),
    /// The stream or its connection ended.
    Stream(h2::Error),
}

/// The messages of a stream, one after the other.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    decoder: Decoder,
    /// The bytes after the last message.
    chunk: Bytes,
}

impl Incoming {
    pub(crate) fn new(stream: RecvStream, max_message: usize) -> Self {
        Self {
            stream,
            decoder: Decoder::new(max_message),
            chunk: Bytes::new(),
        }
    }

    /// The next message; `None` once the peer has half-closed.
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ReceiveError>> {
        loop {
            match self.decoder.decode(&mut self.chunk) {
                Ok(None) => {}
                Ok(Some(message)) => return Poll::Ready(Ok(Some(message))),
                Err(error) => return Poll::Ready(Err(ReceiveError::Framing(error))),
            }
            match ready!(self.stream.poll_data(cx)) {
                None => {
                    let end = self.decoder.finish().map_err(ReceiveError::Framing);
                    return Poll::Ready(end.map(|()| None));
                }
                Some(Err(error)) => return Poll::Ready(Err(ReceiveError::Stream(error))),
                Some(Ok(chunk)) => {
                    // It fails only for a stream that has ended; the next read reports that.
                    let _ = self.stream.flow_control().release_capacity(chunk.len());
                    self.chunk = chunk;
                }
            }
        }
    }

    /// Received bytes that no message was made of yet.
    pub(crate) fn buffered(&self) -> usize {
        self.decoder.buffered().saturating_add(self.chunk.len())
    }

    /// The trailers; only after `poll_message` has returned `None`.
    pub(crate) async fn trailers(&mut self) -> Result<Option<HeaderMap>, h2::Error> {
        self.stream.trailers().await
    }
}
