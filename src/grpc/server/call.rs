//! One call on the server, from its headers to its trailers.
//!
//! Owns what ends a call: its handler, its deadline, its client, a panic. Whatever it is, the handler
//! is dropped and, if there is still somebody to tell, the status is sent. It never outlives the
//! stream.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http::request::Parts;
use smol::future::{FutureExt as _, or};

use crate::clock::Clock;
use crate::grpc::rules::head::{Head, trailers_only, validate};
use crate::grpc::rules::limits::Limits;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::call_policy::{CallPolicy, PendingCall};
use crate::grpc::server::exchange::{Exchange, SharedStream, too_much};
use crate::grpc::server::in_flight::{InFlight, Running};
use crate::grpc::server::memory::{Account, Share};
use crate::grpc::server::observe::{Ended, Observer};
use crate::grpc::server::page;
use crate::grpc::server::router::{Context, Router};
use crate::net::peer::Peer;

/// What all calls of a connection have in common.
#[derive(Debug)]
pub(super) struct ConnectionContext<C> {
    pub(super) peer: Rc<Peer>,
    pub(super) gate: Rc<dyn CallPolicy>,
    pub(super) router: Rc<Router>,
    pub(super) limits: Rc<Limits>,
    pub(super) clock: C,
    pub(super) calls: Rc<InFlight>,
    /// Whoever wants to know; nobody, as a rule.
    pub(super) observer: Option<Rc<dyn Observer>>,
    /// What the calls of the connection hold.
    pub(super) account: Rc<Account>,
}

/// Runs a call to its end, for as long as which it is counted. It never panics.
///
/// The request is taken apart before there is a future: a future keeps room for what it was given, beside
/// what it makes of that, and this one is moved and freed with each call.
pub(super) fn run<C: Clock>(
    caller: Rc<ConnectionContext<C>>,
    running: Running<C>,
    share: Share,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) -> impl Future<Output = ()> + 'static {
    let (mut parts, body) = request.into_parts();
    async move {
        let started = caller.clock.now();
        let mut method = None;
        // The handler's panics are caught further in, where they can still be answered. This catches those
        // of a handler's destructors, and our own.
        let answer = answer(&caller, share, &mut parts, &mut method, body, respond);
        let code = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(code) => code,
            Err(panic) => {
                report_panic(method.unwrap_or_else(|| parts.uri.path()), &*panic);
                Code::Internal
            }
        };
        let duration = caller.clock.now().saturating_duration_since(started);
        // Where there is a method, the path was let go of.
        let named = CallLabel {
            path: method.unwrap_or_else(|| parts.uri.path()),
            method,
        };
        finished(&caller, &named, code, duration);
        drop(running);
    }
}

/// Answers a call for which there is no memory; nothing of it has run.
pub(super) fn refuse<C>(
    caller: &ConnectionContext<C>,
    request: &Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let status = too_much();
    // An answer that cannot be written has nobody to read it.
    let _ = respond.send_response(trailers_only(&status, http::HeaderMap::new()), true);
    let named = CallLabel {
        path: request.uri().path(),
        method: None,
    };
    finished(caller, &named, status.code, Duration::ZERO);
}

/// What a call called itself, and which method that is if it may be called.
struct CallLabel<'a> {
    path: &'a str,
    method: Option<&'static str>,
}

/// Every call passes here once, at its end.
fn finished<C>(
    caller: &ConnectionContext<C>,
    named: &CallLabel<'_>,
    code: Code,
    duration: Duration,
) {
    tracing::debug!(
        method = ?shortened(named.path),
        peer = %caller.peer,
        ?code,
        ?duration,
        "call finished"
    );
    if let Some(observer) = &caller.observer {
        observer.call_ended(&Ended {
            method: named.method,
            code,
            duration,
        });
    }
}

/// A path that no method has can be as long as the header list.
fn shortened(path: &str) -> &str {
    if path.len() <= 128 {
        return path;
    }
    let end = path
        .char_indices()
        .nth(128)
        .map_or(path.len(), |(at, _)| at);
    &path[..end]
}

/// Answers a call and says with which code it ended; `called` is the method, once it is known that it may be called.
async fn answer<C: Clock>(
    caller: &ConnectionContext<C>,
    share: Share,
    parts: &mut Parts,
    called: &mut Option<&'static str>,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Code {
    // An answer that cannot be written has nobody to read it.
    let Head { path, timeout } = match validate(parts) {
        Ok(head) => head,
        Err(rejection) => {
            if let Some(text) = caller.router.find_page(&rejection, parts.uri.path()) {
                page::send(body, respond, text).await;
                return Code::Ok;
            }
            let _ = respond.send_response(rejection.to_response(), true);
            caller.calls.made_progress();
            return rejection.status().code;
        }
    };
    let asked = PendingCall {
        peer: &caller.peer,
        path,
        metadata: &parts.headers,
    };
    // Before anything else is said, and before a byte of the message is read.
    if let Err(refusal) = caller.gate.admit(&asked) {
        if !refusal.after.is_zero() {
            let _refused = caller.calls.refuse();
            let gone = async {
                let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            };
            or(gone, caller.clock.sleep(refusal.after)).await;
        }
        let response = trailers_only(&refusal.status, http::HeaderMap::new());
        let _ = respond.send_response(response, true);
        return refusal.status.code;
    }
    let Some((method, handler)) = caller.router.find(path) else {
        let status = Status::unimplemented("there is no such method");
        let _ = respond.send_response(trailers_only(&status, http::HeaderMap::new()), true);
        caller.calls.made_progress();
        return status.code;
    };
    *called = Some(method);
    // It would keep the buffer that it was read into.
    drop(mem::take(&mut parts.uri));
    // A timeout that the clock cannot hold is as good as none.
    let deadline = timeout.and_then(|timeout| caller.clock.now().checked_add(timeout));
    let max_message = caller.limits.max_message;
    let stream = SharedStream::new(body, respond, max_message, Rc::clone(&caller.calls), share);
    let exchange = Exchange::new(stream.clone(), max_message);
    let context = Context {
        peer: Rc::clone(&caller.peer),
        method,
        metadata: mem::take(&mut parts.headers),
        deadline,
    };

    let work = async {
        let handled = AssertUnwindSafe(async { handler(context, exchange).await });
        let status = match handled.catch_unwind().await {
            Ok(Ok(())) => Status::ok(),
            Ok(Err(status)) if status.code == Code::Ok => {
                Status::internal("the method failed without a reason")
            }
            Ok(Err(status)) => status,
            Err(panic) => {
                report_panic(method, &*panic);
                Status::internal("the method failed; the server's log says why")
            }
        };
        // A handler may have dropped a `send` half way.
        match poll_fn(|cx| stream.poll_flush(cx)).await {
            Ok(()) => End::Status(status),
            Err(_) => End::Closed,
        }
    };
    let closed = async {
        poll_fn(|cx| stream.poll_closed(cx)).await;
        End::Closed
    };
    let told = async {
        caller.calls.told_to_end().await;
        End::Status(Status::new(
            Code::Unavailable,
            "the connection has to end; call again on a new one",
        ))
    };
    // Pinned here, so that what is put together are pointers and not the futures themselves. All of them,
    // the handler's above all, are dropped before anything is said.
    let end = {
        let closed = pin!(closed);
        let expired = pin!(expired(&caller.clock, deadline));
        let work = pin!(work);
        let told = pin!(told);
        let stuck = pin!(stuck(caller, &stream));
        // In this order: no work for a client that has gone or does not wait any more, so a timeout of
        // zero never starts the handler. Last, what most calls never wait for.
        or(closed, or(expired, or(work, or(told, stuck)))).await
    };
    match end {
        End::Status(status) => {
            stream.end(&status);
            caller.calls.made_progress();
            status.code
        }
        End::Closed => {
            stream.abandon();
            Code::Cancelled
        }
    }
}

/// What ended a call.
enum End {
    /// The handler or the deadline; the client is to be told.
    Status(Status),
    /// The client, or the loss of its connection.
    Closed,
}

async fn expired<C: Clock>(clock: &C, deadline: Option<Instant>) -> End {
    match deadline {
        Some(at) if at <= clock.now() => {}
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
    End::Status(Status::new(
        Code::DeadlineExceeded,
        "the deadline passed before the call ended",
    ))
}

/// Completes when the client has had something to read for too long and left no room for it in the
/// stream's window.
async fn stuck<C: Clock>(caller: &ConnectionContext<C>, stream: &SharedStream) -> End {
    loop {
        // Nobody has to wake this: it is polled after each poll of the handler, which is what gets stuck.
        let gone = poll_fn(|_| stream.stuck().map_or(Poll::Pending, Poll::Ready)).await;
        caller.clock.sleep(caller.limits.write_timeout).await;
        if stream.stuck() == Some(gone) {
            return End::Status(Status::new(
                Code::Cancelled,
                "the client did not read the answer",
            ));
        }
    }
}

pub(super) fn report_panic(what: &str, panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(what = ?shortened(what), panic = message, "a task panicked; it was ended");
}
