//! The messages of one call, for its handler.
//!
//! Owns both halves of a server's stream, its headers and its trailers. The handler and the driver
//! of the call share them, so that the driver can end the call without the handler. It never
//! decides when; that is `call`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use prost::Message;

use crate::grpc::incoming::{Incoming, ReceiveError};
use crate::grpc::outgoing::{Outgoing, StreamClosed};
use crate::grpc::rules::head::{reserve, response_head, trailers_only};
use crate::grpc::rules::message;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::memory::CallMemory;

/// The messages and the metadata of a call.
///
/// Only the handler's future may use it: h2 wakes one task for each half of a stream, so an
/// exchange in another task would wait forever. Every method fails with `CANCELLED` once the call
/// has ended.
#[derive(Debug)]
pub struct Exchange {
    stream: SharedStream,
    max_message: usize,
}

impl Exchange {
    pub(super) const fn new(stream: SharedStream, max_message: usize) -> Self {
        Self {
            stream,
            max_message,
        }
    }

    /// The next request message; `None` once the client has half-closed.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` for a message over [`Limits::max_message`](super::Limits), `INTERNAL`
    /// for bytes that are not a message, `CANCELLED` if the stream ended. The handler returns it.
    pub async fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        match poll_fn(|cx| self.stream.poll_message(cx)).await? {
            None => Ok(None),
            Some(bytes) => M::decode(bytes)
                .map(Some)
                .map_err(|error| Status::internal(format!("the request is no message: {error}"))),
        }
    }

    /// The request message of a call that takes exactly one, after the client has half-closed.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for none or several, as the status code document says; else as
    /// [`receive`](Self::receive).
    pub async fn receive_only<M: Message + Default>(&mut self) -> Result<M, Status> {
        let only = self.receive().await?.ok_or_else(|| {
            Status::unimplemented("the method takes one request message: none was sent")
        })?;
        match poll_fn(|cx| self.stream.poll_message(cx)).await? {
            None => Ok(only),
            Some(_) => Err(Status::unimplemented(
                "the method takes one request message: several were sent",
            )),
        }
    }

    /// Sends a response message, and the headers before the first. Completes when h2 has taken it,
    /// which waits for a client that does not read. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// `CANCELLED` if the stream ended, `RESOURCE_EXHAUSTED` for a message over
    /// [`Limits::max_message`](super::Limits).
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), Status> {
        self.send_frame(message::encode(message, self.max_message)?)
            .await
    }

    /// [`send`](Self::send) for a message whose size the peer determines: it keeps only the encoded
    /// form, which the memory budget counts.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_owned<M: Message>(&mut self, message: M) -> Result<(), Status> {
        let frame = message::encode(&message, self.max_message)?;
        drop(message);
        self.send_frame(frame).await
    }

    async fn send_frame(&mut self, frame: Bytes) -> Result<(), Status> {
        self.stream.with_open(|open| open.send_headers())?;
        poll_fn(|cx| self.stream.poll_flush(cx)).await?;
        self.stream.with_open(|open| open.start_send(frame))?;
        poll_fn(|cx| self.stream.poll_flush(cx)).await
    }

    /// Sets the metadata before the first message. It does nothing after that.
    #[cfg(any(test, feature = "unstable-internals"))]
    pub fn set_initial_metadata(&mut self, metadata: HeaderMap) {
        let _ = self.stream.with_open(|open| {
            open.initial = metadata;
            Ok(())
        });
    }

    /// Sets the metadata beside the status, at the end.
    #[cfg(any(test, feature = "unstable-internals"))]
    pub fn set_trailing_metadata(&mut self, metadata: HeaderMap) {
        let _ = self.stream.with_open(|open| {
            open.trailing = metadata;
            Ok(())
        });
    }
}

/// A server's stream, shared by handler and driver; empty once the call has ended.
#[derive(Debug, Clone)]
pub(super) struct SharedStream(Rc<RefCell<Option<OpenStream>>>);

#[derive(Debug)]
struct OpenStream {
    incoming: Incoming,
    reply: Reply,
    initial: HeaderMap,
    trailing: HeaderMap,
    /// Counts the messages as progress.
    in_flight: Rc<InFlight>,
    memory: CallMemory,
}

#[derive(Debug)]
enum Reply {
    /// Nothing is sent yet.
    Unsent(SendResponse<Bytes>),
    /// The headers are sent.
    Body(Outgoing),
}

impl OpenStream {
    fn send_headers(&mut self) -> Result<(), Status> {
        if let Reply::Unsent(respond) = &mut self.reply {
            let head = response_head(mem::take(&mut self.initial));
            let stream = respond.send_response(head, false).map_err(|_| ended())?;
            self.reply = Reply::Body(Outgoing::new(stream));
        }
        Ok(())
    }

    fn start_send(&mut self, frame: Bytes) -> Result<(), Status> {
        match &mut self.reply {
            Reply::Unsent(_) => {
                return Err(Status::internal("a message was sent before the headers"));
            }
            Reply::Body(outgoing) => {
                outgoing.start_send(frame);
                self.in_flight.add_progress();
            }
        }
        let counted = self.count_memory();
        // A message beyond the memory budget does not wait for a slow reader.
        if let (Err(_), Reply::Body(outgoing)) = (&counted, &mut self.reply) {
            outgoing.cancel_unsent();
        }
        counted
    }

    /// Counts the buffered bytes in the memory budget.
    fn count_memory(&mut self) -> Result<(), Status> {
        let outgoing = match &self.reply {
            Reply::Unsent(_) => 0,
            Reply::Body(outgoing) => outgoing.buffered(),
        };
        let messages = self.incoming.buffered().saturating_add(outgoing);
        let fits = self.memory.set_messages(messages);
        fits.then_some(()).ok_or_else(memory_exhausted)
    }
}

impl SharedStream {
    pub(super) fn new(
        body: RecvStream,
        respond: SendResponse<Bytes>,
        max_message: usize,
        in_flight: Rc<InFlight>,
        memory: CallMemory,
    ) -> Self {
        Self(Rc::new(RefCell::new(Some(OpenStream {
            incoming: Incoming::new(body, max_message),
            reply: Reply::Unsent(respond),
            initial: HeaderMap::new(),
            trailing: HeaderMap::new(),
            in_flight,
            memory,
        }))))
    }

    fn with_open<T>(
        &self,
        act: impl FnOnce(&mut OpenStream) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.0
            .borrow_mut()
            .as_mut()
            .map_or_else(|| Err(ended()), act)
    }

    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        match &mut *self.0.borrow_mut() {
            None => Poll::Ready(Err(ended())),
            Some(open) => {
                let message = open.incoming.poll_message(cx);
                if let Poll::Ready(Ok(Some(_))) = message {
                    open.in_flight.add_progress();
                    // A handler that waits drops the headers, as `Context` requires.
                    open.memory.release_head();
                }
                open.count_memory()?;
                let message = ready!(message);
                Poll::Ready(message.map_err(|error| match error {
                    ReceiveError::Framing(error) => error.into(),
                    ReceiveError::Stream(_) => ended(),
                }))
            }
        }
    }

    /// Completes once h2 has every message.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match &mut *self.0.borrow_mut() {
            None => Poll::Ready(Err(ended())),
            Some(open) => match &mut open.reply {
                Reply::Unsent(_) => Poll::Ready(Ok(())),
                Reply::Body(outgoing) => {
                    let flushed = outgoing.poll_flush(cx).map_err(|StreamClosed| ended());
                    // Fewer bytes than before always fit.
                    let _ = open.count_memory();
                    flushed
                }
            },
        }
    }

    /// While the stream's window has no room for a message: the number of pieces before it.
    pub(super) fn blocked_after(&self) -> Option<u64> {
        match &self.0.borrow().as_ref()?.reply {
            Reply::Unsent(_) => None,
            Reply::Body(outgoing) => outgoing.blocked_after(),
        }
    }

    /// Completes when the client resets the stream or its connection is lost.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.0.borrow_mut() {
            None => Poll::Ready(()),
            Some(open) => match &mut open.reply {
                Reply::Unsent(respond) => respond.poll_reset(cx).map(|_| ()),
                Reply::Body(outgoing) => outgoing.poll_closed(cx),
            },
        }
    }

    /// Ends the call; an error before any answer is Trailers-Only. It drops both halves, so h2
    /// resets a stream that is not half-closed with `NO_ERROR` after the trailers (RFC 9113,
    /// section 8.1).
    pub(super) fn end(&self, status: &Status) {
        let Some(mut open) = self.0.borrow_mut().take() else {
            return;
        };
        let headers_first = status.code == Code::Ok || !open.initial.is_empty();
        if headers_first && open.send_headers().is_err() {
            return;
        }
        let mut trailers = open.trailing;
        match open.reply {
            Reply::Unsent(mut respond) => {
                let response = trailers_only(status, trailers);
                if respond.send_response(response, true).is_err() {
                    respond.send_reset(Reason::INTERNAL_ERROR);
                }
            }
            Reply::Body(outgoing) => {
                reserve(&mut trailers, 2);
                status.write_to(&mut trailers);
                outgoing.end_with_trailers(trailers, Reason::CANCEL);
            }
        }
    }

    /// Drops the stream of a client that is gone.
    pub(super) fn abandon(&self) {
        self.0.borrow_mut().take();
    }
}

/// The status of a call that exceeds the memory budget.
pub(super) fn memory_exhausted() -> Status {
    Status::new(
        Code::ResourceExhausted,
        "the memory budget for calls is used up; try again later",
    )
}

fn ended() -> Status {
    Status::new(Code::Cancelled, "the call has ended")
}
