//! One connection on the server, from its preface to its last frame.
//!
//! Owns the h2 connection: one task polls it to its end and starts a call for each stream. It
//! performs the steps of `lifetime`, and never waits for a call.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use smol::LocalExecutor;
use smol::future::yield_now;
use smol::io::{AsyncRead, AsyncWrite};

use crate::clock::Clock;
use crate::grpc::rules::head::check_list_size;
use crate::grpc::rules::lifetime::{CloseCause, LifetimeStep};
use crate::grpc::rules::limits::Limits;
use crate::grpc::server::call::{self, ConnectionContext};
use crate::grpc::server::exchange::memory_exhausted;
use crate::grpc::server::memory::CallMemory;
use crate::grpc::server::monitored_io::{IoStats, MonitoredIo};
use crate::grpc::server::timers::Timers;
use crate::net::budget::Budgeted;

type ServerConnection<IO, C> = Connection<Budgeted<MonitoredIo<IO, C>>, Bytes>;

type AcceptedStream = (Request<RecvStream>, SendResponse<Bytes>);

/// Streams that are accepted before the first of their calls starts.
const MAX_ACCEPTED: usize = 64;

/// The next event of a connection.
enum ConnectionEvent {
    /// Streams were accepted.
    Accepted,
    /// A timer or a fact requires this step.
    Step(LifetimeStep),
    /// The connection has ended.
    Ended(Option<h2::Error>),
}

/// Serves a connection until it ends.
pub(super) async fn run<C, IO>(
    io: IO,
    context: Rc<ConnectionContext<C>>,
    executor: &LocalExecutor<'static>,
    mut timers: Box<Timers<C>>,
) where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (mut connection, io) = match Box::pin(handshake(io, &context, &mut timers)).await {
        Ok(connected) => connected,
        Err(HandshakeFailure::Http2(error)) => return log_error(&context, &error),
        // No call has begun, so none needs an end.
        Err(HandshakeFailure::Step(step)) => return log_step(&context, step),
    };
    let mut pings = connection.ping_pong();

    loop {
        // `Budgeted` bounds one poll of h2, but h2 is polled again while it has streams to accept.
        if io.read_since_yield() >= context.limits.read_budget {
            yield_now().await;
            io.task_yields();
        }
        let event = poll_fn(|cx| {
            // Allocated only for accepted streams: most connections are idle most of the time.
            let mut accepted = Vec::new();
            let event = poll_event(&mut connection, &mut timers, &mut accepted, cx);
            start_calls(accepted, &context, executor, cx);
            event
        });
        match event.await {
            ConnectionEvent::Accepted => {}
            ConnectionEvent::Step(step) => {
                log_step(&context, step);
                match step {
                    LifetimeStep::Wait(_) => {}
                    LifetimeStep::Ping => ping(pings.as_mut()).await,
                    LifetimeStep::GoAway(_) => connection.graceful_shutdown(),
                    LifetimeStep::TerminateCalls(_) => context.in_flight.terminate_all(),
                    LifetimeStep::Close(cause) => connection.abrupt_shutdown(reason(cause)),
                    LifetimeStep::Drop(_) => return,
                }
            }
            ConnectionEvent::Ended(None) => return,
            ConnectionEvent::Ended(Some(error)) => return log_error(&context, &error),
        }
    }
}

/// Why a connection ended before its first call.
enum HandshakeFailure {
    Http2(h2::Error),
    Step(LifetimeStep),
}

/// Exchanges prefaces and SETTINGS with the client. [`run`] boxes it, or its future would reserve
/// space for it until the connection ends.
async fn handshake<C, IO>(
    io: IO,
    context: &ConnectionContext<C>,
    timers: &mut Timers<C>,
) -> Result<(ServerConnection<IO, C>, Rc<IoStats>), HandshakeFailure>
where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &context.limits;
    let in_flight = Rc::clone(&context.in_flight);
    let io = MonitoredIo::new(io, limits, context.clock.clone(), in_flight);
    let stats = io.stats();
    timers.watch_io(Rc::clone(&stats));
    let mut handshake = builder(limits).handshake(Budgeted::new(io, limits.read_budget));
    let connection = poll_fn(|cx| {
        if let Poll::Ready(step) = timers.poll_step(cx) {
            return Poll::Ready(Err(HandshakeFailure::Step(step)));
        }
        let connection = Pin::new(&mut handshake).poll(cx);
        if connection.is_pending() {
            let step = timers.poll_last(cx);
            return step.map(|step| Err(HandshakeFailure::Step(step)));
        }
        connection.map_err(HandshakeFailure::Http2)
    });
    Ok((connection.await?, stats))
}

/// Polls the connection. Accepted streams are added to `accepted`, also beside another event; the
/// next poll writes the answers of their calls together.
fn poll_event<C, IO>(
    connection: &mut ServerConnection<IO, C>,
    timers: &mut Timers<C>,
    accepted: &mut Vec<AcceptedStream>,
    cx: &mut Context<'_>,
) -> Poll<ConnectionEvent>
where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // The timers first: a connection that always has a request must not delay them.
    if let Poll::Ready(step) = timers.poll_step(cx) {
        return Poll::Ready(ConnectionEvent::Step(step));
    }
    while accepted.len() < MAX_ACCEPTED {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok(stream))) => {
                if accepted.capacity() == 0 {
                    // Streams come in batches, and growing the vector would move them.
                    accepted.reserve(MAX_ACCEPTED / 2);
                }
                accepted.push(stream);
            }
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(ConnectionEvent::Ended(Some(error)));
            }
            Poll::Ready(None) => return Poll::Ready(ConnectionEvent::Ended(None)),
            Poll::Pending => break,
        }
    }
    if !accepted.is_empty() {
        return Poll::Ready(ConnectionEvent::Accepted);
    }
    // Reads and writes may have changed the facts.
    timers.poll_last(cx).map(ConnectionEvent::Step)
}

fn start_calls<C: Clock>(
    accepted: Vec<AcceptedStream>,
    context: &Rc<ConnectionContext<C>>,
    executor: &LocalExecutor<'static>,
    cx: &mut Context<'_>,
) {
    let mut spawner = None;
    for (request, mut respond) in accepted {
        if context.in_flight.running() >= max_running(&context.limits) {
            // h2 does not count reset streams, but their calls may not have ended yet.
            respond.send_reset(Reason::REFUSED_STREAM);
        } else if let Some(status) = check_list_size(&request, context.limits.max_header_list) {
            call::refuse(context, &request, respond, &status);
        } else if let Some(memory) = CallMemory::reserve(&context.memory, &request) {
            let guard = context.in_flight.start_call(context.clock.clone());
            let call = call::run(Rc::clone(context), guard, memory, request, respond);
            let spawner = spawner.get_or_insert_with(|| InlineSpawner::new(executor));
            spawner.start(call, cx);
        } else {
            call::refuse(context, &request, respond, &memory_exhausted());
        }
    }
}

/// Starts calls without a task for each: their first poll completes most, and a task would cost
/// more than the call.
struct InlineSpawner<'a, F> {
    executor: &'a LocalExecutor<'static>,
    /// Where a call is first polled; one that completes leaves the allocation to the next.
    slot: Pin<Box<Option<F>>>,
}

impl<'a, F: Future<Output = ()> + 'static> InlineSpawner<'a, F> {
    fn new(executor: &'a LocalExecutor<'static>) -> Self {
        let slot = Box::pin(None);
        Self { executor, slot }
    }

    /// Polls `call` once, and spawns a task for it if it is pending.
    fn start(&mut self, call: F, cx: &mut Context<'_>) {
        self.slot.set(Some(call));
        if poll_slot(&mut self.slot, cx).is_ready() {
            return;
        }
        let mut slot = mem::replace(&mut self.slot, Box::pin(None));
        self.executor
            .spawn(async move { poll_fn(|cx| poll_slot(&mut slot, cx)).await })
            .detach();
    }
}

/// Polls the call in `slot`, and drops it there at its end.
fn poll_slot<F: Future<Output = ()>>(
    slot: &mut Pin<Box<Option<F>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(call) = slot.as_mut().as_pin_mut() {
        ready!(call.poll(cx));
    }
    slot.set(None);
    Poll::Ready(())
}

/// Sends a PING. Any byte from the peer answers it, so its acknowledgement is not awaited.
async fn ping(pings: Option<&mut PingPong>) {
    if let Some(pings) = pings {
        poll_fn(|cx| {
            // h2 sends no PING before the last acknowledgement is taken.
            let _ = pings.poll_pong(cx);
            Poll::Ready(())
        })
        .await;
        // The connection itself reports its end.
        let _ = pings.send_ping(Ping::opaque());
    }
}

/// Maximum calls of a connection, twice as many as streams: a client may reset all streams and open
/// new ones at once, and the old calls end with their next poll.
fn max_running(limits: &Limits) -> usize {
    usize::try_from(limits.max_concurrent_streams)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
}

const fn reason(cause: CloseCause) -> Reason {
    match cause {
        CloseCause::Flood => Reason::ENHANCE_YOUR_CALM,
        CloseCause::Handshake
        | CloseCause::Idle
        | CloseCause::Evicted
        | CloseCause::WriteTimeout
        | CloseCause::KeepaliveTimeout
        | CloseCause::MaxAge
        | CloseCause::WrongTokens
        | CloseCause::Drain => Reason::NO_ERROR,
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_announced_header_list)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.max_send_buffer)
        .data_frame_budget(limits.data_frame_budget)
        .max_pending_accept_reset_streams(limits.max_pending_accept_resets)
        .max_local_error_reset_streams(Some(limits.max_local_error_resets));
    builder
}

fn log_error<C>(context: &ConnectionContext<C>, error: &h2::Error) {
    tracing::debug!(peer = %context.peer, %error, "connection ended");
}

fn log_step<C: Clock>(context: &ConnectionContext<C>, step: LifetimeStep) {
    match step {
        LifetimeStep::Close(CloseCause::Flood) => {
            let now = context.clock.now();
            if let Some(held_back) = context.flood_lines.try_acquire(now) {
                tracing::warn!(
                    peer = %context.peer,
                    held_back = held_back.count(),
                    "connection closed: too many frames without progress"
                );
            }
        }
        LifetimeStep::Wait(_) | LifetimeStep::Ping => {}
        LifetimeStep::GoAway(_)
        | LifetimeStep::TerminateCalls(_)
        | LifetimeStep::Close(_)
        | LifetimeStep::Drop(_) => {
            tracing::debug!(peer = %context.peer, ?step, "connection ends");
        }
    }
}
