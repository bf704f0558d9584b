//! One call on the server, from its headers to its trailers.
//!
//! Owns the end of a call: by its handler, its deadline, its client, or a panic. Then it drops the
//! handler and sends the status, unless the client is gone. It never outlives the stream.

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
use http::request::Parts;
use http::{HeaderMap, Request};
use smol::future::{FutureExt as _, or};

use crate::clock::Clock;
use crate::grpc::rules::head::{Head, trailers_only, truncate_path, validate};
use crate::grpc::rules::limits::Limits;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::call_policy::{CallPolicy, PendingCall};
use crate::grpc::server::exchange::{Exchange, SharedStream};
use crate::grpc::server::in_flight::{CallGuard, InFlight};
use crate::grpc::server::memory::{CallMemory, ConnectionMemory};
#[cfg(feature = "unstable-internals")]
use crate::grpc::server::page;
use crate::grpc::server::router::{Context, Router};
use crate::grpc::server::waits::Waits;
use crate::grpc::server::{FinishedCall, Observer};
use crate::log::LineThrottle;
use crate::net::peer::Peer;

/// What the calls of a connection share.
#[derive(Debug)]
pub(super) struct ConnectionContext<C> {
    pub(super) peer: Rc<Peer>,
    pub(super) policy: Rc<dyn CallPolicy>,
    pub(super) router: Rc<Router>,
    pub(super) limits: Rc<Limits>,
    pub(super) clock: C,
    pub(super) in_flight: Rc<InFlight>,
    pub(super) observer: Option<Rc<dyn Observer>>,
    pub(super) memory: Rc<ConnectionMemory>,
    pub(super) flood_lines: Rc<LineThrottle>,
}

/// Runs a call to its end, and counts it until then. It never panics.
///
/// The request is split before the future is made: a future reserves space for its arguments beside
/// what it makes of them, and each call moves and frees one.
pub(super) fn run<C: Clock>(
    connection: Rc<ConnectionContext<C>>,
    guard: CallGuard<C>,
    memory: CallMemory,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) -> impl Future<Output = ()> + 'static {
    let (mut parts, body) = request.into_parts();
    async move {
        let started = connection.clock.now();
        let mut method = None;
        // `serve` answers a panic of the handler. This catches panics of its destructors, and ours.
        let serve = serve(&connection, memory, &mut parts, &mut method, body, respond);
        let code = match AssertUnwindSafe(serve).catch_unwind().await {
            Ok(code) => code,
            Err(panic) => {
                log_panic(method.unwrap_or_else(|| parts.uri.path()), &*panic);
                Code::Internal
            }
        };
        let duration = connection.clock.now().saturating_duration_since(started);
        // The URI of a known method is dropped by now.
        let path = method.unwrap_or_else(|| parts.uri.path());
        record_end(&connection, path, method, code, duration);
        drop(guard);
    }
}

/// Refuses a call that exceeds a limit, before anything of it runs.
pub(super) fn refuse<C>(
    connection: &ConnectionContext<C>,
    request: &Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    status: &Status,
) {
    send_status(&mut respond, status);
    let path = request.uri().path();
    record_end(connection, path, None, status.code, Duration::ZERO);
}

/// Answers with a status alone. The error of a client that is gone does not matter.
fn send_status(respond: &mut SendResponse<Bytes>, status: &Status) {
    let _ = respond.send_response(trailers_only(status, HeaderMap::new()), true);
}

/// Logs and reports the end of a call, once for each.
fn record_end<C>(
    connection: &ConnectionContext<C>,
    path: &str,
    method: Option<&'static str>,
    code: Code,
    duration: Duration,
) {
    tracing::debug!(
        method = truncate_path(path),
        peer = %connection.peer,
        ?code,
        ?duration,
        "call finished"
    );
    if let Some(observer) = &connection.observer {
        observer.call_finished(&FinishedCall {
            method,
            code,
            duration,
        });
    }
}

/// Answers a call and returns its code. Sets `called` to the method once the call is admitted.
async fn serve<C: Clock>(
    connection: &ConnectionContext<C>,
    memory: CallMemory,
    parts: &mut Parts,
    called: &mut Option<&'static str>,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Code {
    let in_flight = &connection.in_flight;
    let Head { path, timeout } = match validate(parts) {
        Ok(head) => head,
        Err(rejection) => {
            #[cfg(feature = "unstable-internals")]
            if let Some(text) = connection.router.find_page(&rejection, parts.uri.path()) {
                page::send(body, respond, text).await;
                return Code::Ok;
            }
            let _ = respond.send_response(rejection.to_response(), true);
            in_flight.add_progress();
            return rejection.status().code;
        }
    };
    let pending = PendingCall {
        peer: &connection.peer,
        path,
        metadata: &parts.headers,
    };
    // First of all: a refused caller learns nothing else, and no byte of the message is read.
    if let Err(refusal) = connection.policy.admit(&pending) {
        if !refusal.delay.is_zero() {
            let _guard = in_flight.start_refusal();
            let closed = async {
                let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            };
            or(closed, connection.clock.sleep(refusal.delay)).await;
        }
        send_status(&mut respond, &refusal.status);
        if refusal.closes {
            in_flight.distrust();
        }
        return refusal.status.code;
    }
    let Some((method, handler)) = connection.router.find(path) else {
        let status = Status::unimplemented("there is no such method");
        send_status(&mut respond, &status);
        in_flight.add_progress();
        return status.code;
    };
    *called = Some(method);
    // The URI would keep its read buffer alive.
    drop(mem::take(&mut parts.uri));
    // A timeout beyond the clock's range is no timeout.
    let deadline = timeout.and_then(|timeout| connection.clock.now().checked_add(timeout));
    let max_message = connection.limits.max_message;
    let stream = SharedStream::new(body, respond, max_message, Rc::clone(in_flight), memory);
    let exchange = Exchange::new(stream.clone(), max_message);
    let context = Context {
        peer: Rc::clone(&connection.peer),
        method,
        metadata: mem::take(&mut parts.headers),
        deadline,
        waits: Waits::new(Rc::clone(in_flight), connection.limits.max_waits),
    };

    let handled = async {
        let handled = AssertUnwindSafe(async { handler(context, exchange).await });
        let status = match handled.catch_unwind().await {
            Ok(Ok(())) => Status::ok(),
            Ok(Err(status)) if status.code == Code::Ok => {
                Status::internal("the method failed without a reason")
            }
            Ok(Err(status)) => status,
            Err(panic) => {
                log_panic(method, &*panic);
                Status::internal("the method failed; the server's log says why")
            }
        };
        // The handler may have dropped a `send` before its end.
        match poll_fn(|cx| stream.poll_flush(cx)).await {
            Ok(()) => CallEnd::Status(status),
            Err(_) => CallEnd::Closed,
        }
    };
    let closed = async {
        poll_fn(|cx| stream.poll_closed(cx)).await;
        CallEnd::Closed
    };
    let terminated = async {
        in_flight.terminated().await;
        CallEnd::Status(Status::new(
            Code::Unavailable,
            "the connection has to end; call again on a new one",
        ))
    };
    // The block drops all futures, above all the handler, before the status is sent. `or` gets
    // pointers to them, which are smaller than the futures.
    let end = {
        let closed = pin!(closed);
        let expired = pin!(expired(&connection.clock, deadline));
        let handled = pin!(handled);
        let terminated = pin!(terminated);
        let stalled = pin!(stalled(connection, &stream));
        // In this order: a client that is gone or past its deadline starts no handler. Last, what
        // most calls never wait for.
        or(closed, or(expired, or(handled, or(terminated, stalled)))).await
    };
    match end {
        CallEnd::Status(status) => {
            stream.end(&status);
            in_flight.add_progress();
            status.code
        }
        CallEnd::Closed => {
            stream.abandon();
            Code::Cancelled
        }
    }
}

/// The end of a call.
enum CallEnd {
    /// With a status for the client.
    Status(Status),
    /// By the client, or by the loss of its connection.
    Closed,
}

async fn expired<C: Clock>(clock: &C, deadline: Option<Instant>) -> CallEnd {
    match deadline {
        Some(at) if at <= clock.now() => {}
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
    CallEnd::Status(Status::new(
        Code::DeadlineExceeded,
        "the deadline passed before the call ended",
    ))
}

/// Completes when the client has left no room in the stream's window for the write timeout.
async fn stalled<C: Clock>(connection: &ConnectionContext<C>, stream: &SharedStream) -> CallEnd {
    loop {
        // It needs no waker: each poll of the handler, whose write is blocked, comes before this.
        let pieces = poll_fn(|_| stream.blocked_after().map_or(Poll::Pending, Poll::Ready)).await;
        connection
            .clock
            .sleep(connection.limits.write_timeout)
            .await;
        if stream.blocked_after() == Some(pieces) {
            return CallEnd::Status(Status::new(
                Code::Cancelled,
                "the client did not read the answer",
            ));
        }
    }
}

pub(super) fn log_panic(what: &str, panic: &(dyn Any + Send)) {
    static PANICS: LineThrottle = LineThrottle::for_events();
    let Some(held_back) = PANICS.try_acquire(Instant::now()) else {
        return;
    };
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(
        what = ?truncate_path(what),
        panic = message,
        held_back = held_back.count(),
        "a task panicked; it was ended"
    );
}
