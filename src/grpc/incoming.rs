//! The receiving half of a stream.
//!
//! Owns the way from DATA frames to whole messages, and gives the flow-control window back as soon as
//! bytes have been taken over. It never takes more than it is asked for: what nobody reads stays in the
//! window, and a peer can fill that only once. It must be polled from one task only.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;

use crate::grpc::rules::message::{Decoder, FramingError};

/// Why no message came.
#[derive(Debug)]
pub(crate) enum ReceiveError {
    /// What came is no message.
    Framing(FramingError),
    /// The stream or its connection ended.
    Stream(h2::Error),
}

/// The messages of a stream, one after the other.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    decoder: Decoder,
    /// What is left of a chunk after the message at its front.
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
                    // It can only fail for a stream that has ended, and then the next read says so.
                    let _ = self.stream.flow_control().release_capacity(chunk.len());
                    self.chunk = chunk;
                }
            }
        }
    }

    /// Bytes that have come and were not handed on.
    pub(crate) fn held(&self) -> usize {
        self.decoder.held().saturating_add(self.chunk.len())
    }

    /// The trailers; only after `poll_message` has returned `None`.
    pub(crate) async fn trailers(&mut self) -> Result<Option<HeaderMap>, h2::Error> {
        self.stream.trailers().await
    }
}
