//! One call, as its handler sees it: messages in, messages out.
//!
//! Owns the two halves of a server's stream and what is sent first and last on it. The handler and the
//! driver of the call share them, so that the driver can end the call with trailers whatever became of
//! the handler. It never decides when that is; that is `call`.

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
use crate::grpc::outgoing::{Closed, Outgoing};
use crate::grpc::rules::head::{reserve, response_head, trailers_only};
use crate::grpc::rules::message;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::memory::Share;

/// The messages and the metadata of a call.
///
/// It belongs to the handler's future: h2 wakes one task for each side of a stream, so an exchange that
/// is used in a task of its own would wait forever. Every method fails with `CANCELLED` once the call
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
    /// `RESOURCE_EXHAUSTED` for a message over [`Limits::max_message`](super::Limits), `INTERNAL` for
    /// bytes that are no message, `CANCELLED` if the stream ended. The handler should pass it on.
    pub async fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        match poll_fn(|cx| self.stream.poll_message(cx)).await? {
            None => Ok(None),
            Some(bytes) => M::decode(bytes)
                .map(Some)
                .map_err(|error| Status::internal(format!("the request is no message: {error}"))),
        }
    }

    /// The one request message of a call that takes exactly one, after the client has half-closed.
    ///
    /// # Errors
    ///
    /// `UNIMPLEMENTED` for none or several, as the status code document asks; else as
    /// [`receive`](Self::receive).
    pub async fn receive_only<M: Message + Default>(&mut self) -> Result<M, Status> {
        let only = self.receive().await?.ok_or_else(|| {
            Status::unimplemented("the method takes one request message: none was sent")
        })?;
        // Its bytes are not decoded: that there is a second one is all that matters.
        match poll_fn(|cx| self.stream.poll_message(cx)).await? {
            None => Ok(only),
            Some(_) => Err(Status::unimplemented(
                "the method takes one request message: several were sent",
            )),
        }
    }

    /// Sends a response message, after the headers if they are still to go. Completes when h2 has taken
    /// it, which a client that does not read holds up. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// `CANCELLED` if the stream ended, `RESOURCE_EXHAUSTED` for a message over
    /// [`Limits::max_message`](super::Limits).
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), Status> {
        self.send_frame(message::encode(message, self.max_message)?)
            .await
    }

    /// [`send`](Self::send) for a message that is as large as a peer wants it: what goes is counted, and the
    /// message that it was made of is not kept beside it.
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
        self.stream.with_open(|open| open.put(frame))?;
        poll_fn(|cx| self.stream.poll_flush(cx)).await
    }

    /// Sets the metadata that goes before the first message. It does nothing after that.
    pub fn set_initial_metadata(&mut self, metadata: HeaderMap) {
        // A call that has ended has no use for it, and its handler will be told by the next message.
        let _ = self.stream.with_open(|open| {
            open.initial = metadata;
            Ok(())
        });
    }

    /// Sets the metadata that goes with the status, at the end.
    pub fn set_trailing_metadata(&mut self, metadata: HeaderMap) {
        let _ = self.stream.with_open(|open| {
            open.trailing = metadata;
            Ok(())
        });
    }

    /// Sends the headers now, ahead of the first message.
    ///
    /// # Errors
    ///
    /// `CANCELLED` if the stream ended.
    pub fn send_headers(&mut self) -> Result<(), Status> {
        self.stream.with_open(|open| open.send_headers())
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
    /// Where the messages that went through are counted.
    calls: Rc<InFlight>,
    /// What the call may hold.
    share: Share,
}

#[derive(Debug)]
enum Reply {
    /// Nothing was sent.
    Unsent(SendResponse<Bytes>),
    /// The headers were sent.
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

    fn put(&mut self, frame: Bytes) -> Result<(), Status> {
        match &mut self.reply {
            Reply::Unsent(_) => {
                return Err(Status::internal("a message was sent before the headers"));
            }
            Reply::Body(outgoing) => {
                outgoing.put(frame);
                self.calls.made_progress();
            }
        }
        let counted = self.count();
        // What there is no room for is not kept for a reader who may take his time.
        if let (Err(_), Reply::Body(outgoing)) = (&counted, &mut self.reply) {
            outgoing.take_back();
        }
        counted
    }
}

impl OpenStream {
    /// Counts what the call holds now.
    fn count(&mut self) -> Result<(), Status> {
        let outgoing = match &self.reply {
            Reply::Unsent(_) => 0,
            Reply::Body(outgoing) => outgoing.held(),
        };
        let held = self.incoming.held().saturating_add(outgoing);
        self.share.hold(held).then_some(()).ok_or_else(too_much)
    }
}

impl SharedStream {
    pub(super) fn new(
        body: RecvStream,
        respond: SendResponse<Bytes>,
        max_message: usize,
        calls: Rc<InFlight>,
        share: Share,
    ) -> Self {
        Self(Rc::new(RefCell::new(Some(OpenStream {
            incoming: Incoming::new(body, max_message),
            reply: Reply::Unsent(respond),
            initial: HeaderMap::new(),
            trailing: HeaderMap::new(),
            calls,
            share,
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
                    open.calls.made_progress();
                    // Handlers that wait let go of it, as `Router` asks of them.
                    open.share.let_go_of_head();
                }
                open.count()?;
                let message = ready!(message);
                Poll::Ready(message.map_err(|error| match error {
                    ReceiveError::Framing(error) => error.into(),
                    ReceiveError::Stream(_) => ended(),
                }))
            }
        }
    }

    /// Completes once every message that was put is with h2.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match &mut *self.0.borrow_mut() {
            None => Poll::Ready(Err(ended())),
            Some(open) => match &mut open.reply {
                Reply::Unsent(_) => Poll::Ready(Ok(())),
                Reply::Body(outgoing) => {
                    let flushed = outgoing.poll_flush(cx).map_err(|Closed| ended());
                    // Less than before, so there is room for it.
                    let _ = open.count();
                    flushed
                }
            },
        }
    }

    /// While a message meets a window without room: how many pieces had gone before.
    pub(super) fn stuck(&self) -> Option<u64> {
        match &self.0.borrow().as_ref()?.reply {
            Reply::Unsent(_) => None,
            Reply::Body(outgoing) => outgoing.stuck(),
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

    /// Ends the call. An error before anything was answered goes as Trailers-Only. If the client has
    /// not half-closed, h2 resets the stream with `NO_ERROR` after the trailers, as both halves are
    /// dropped here (RFC 9113, section 8.1).
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

    /// Lets the stream go without a word: there is nobody to tell.
    pub(super) fn abandon(&self) {
        self.0.borrow_mut().take();
    }
}

/// The answer to a call that would hold more than there is.
pub(super) fn too_much() -> Status {
    Status::new(
        Code::ResourceExhausted,
        "the server holds too much for its callers already; try again later",
    )
}

fn ended() -> Status {
    Status::new(Code::Cancelled, "the call has ended")
}
