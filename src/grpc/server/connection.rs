//! One connection on the server, from its preface to its last frame.
//!
//! Owns the h2 connection: one task polls it to the end and starts a call for each stream. It does what
//! `lifetime` decides about its end, and never waits for a call.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use smol::LocalExecutor;
use smol::future::yield_now;
use smol::io::{AsyncRead, AsyncWrite};

use crate::clock::Clock;
use crate::grpc::rules::lifetime::{CloseCause, ConnectionFacts, Lifetime, LifetimeStep};
use crate::grpc::rules::limits::Limits;
use crate::grpc::server::call::{self, ConnectionContext};
use crate::grpc::server::drain::DrainWatch;
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::inline_spawn::InlineSpawner;
use crate::grpc::server::memory;
use crate::grpc::server::monitored_io::{IoStats, MonitoredIo};
use crate::net::budget::Budgeted;

type ConnectionIo<IO, C> = Budgeted<MonitoredIo<IO, C>>;

/// Calls that are accepted before the first of them starts.
const MOST_AT_ONCE: usize = 64;

/// A new stream.
type AcceptedStream = (Request<RecvStream>, SendResponse<Bytes>);

/// What comes next.
enum Next {
    /// Calls have come.
    Calls,
    /// The connection's lifetime asks for something.
    LifetimeStep(LifetimeStep),
    /// There is no more to come.
    Over(Option<h2::Error>),
}

/// Serves a connection until it ends.
pub(super) async fn run<C, IO>(
    io: IO,
    caller: Rc<ConnectionContext<C>>,
    executor: &LocalExecutor<'static>,
    mut timers: Box<Timers<C>>,
) where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &caller.limits;
    let calls = &caller.calls;
    let (mut connection, seen) = match Box::pin(greet(io, &caller, &mut timers)).await {
        Ok(preface_received) => preface_received,
        Err(HandshakeFailure::Error(error)) => return log_error(&caller, &error),
        // Nothing has begun, so nothing needs an end.
        Err(HandshakeFailure::LifetimeStep(step)) => return log_step(&caller, step),
    };
    let mut pings = connection.ping_pong();

    loop {
        // The budget of the stream ends h2's reading, but while there are calls to accept h2 is asked again.
        if seen.in_a_row() >= limits.read_budget {
            yield_now().await;
            seen.others_ran();
        }
        let next = poll_fn(|cx| {
            // Room for them only while there are some: most connections wait, most of the time.
            let mut accepted = Vec::new();
            let next = poll_next(&mut connection, &mut timers, &mut accepted, cx);
            start(accepted, &caller, executor, cx);
            next
        });
        match next.await {
            Next::Calls => {}
            Next::LifetimeStep(step) => {
                log_step(&caller, step);
                match step {
                    LifetimeStep::Wait(_) => {}
                    LifetimeStep::Ping => ping(pings.as_mut()).await,
                    LifetimeStep::Leave(_) => connection.graceful_shutdown(),
                    LifetimeStep::EndCalls(_) => calls.end_all(),
                    LifetimeStep::Close(cause) => connection.abrupt_shutdown(reason(cause)),
                    LifetimeStep::Drop(_) => return,
                }
            }
            Next::Over(None) => return,
            Next::Over(Some(error)) => return log_error(&caller, &error),
        }
    }
}

/// Why a connection did not come to be served.
enum HandshakeFailure {
    /// h2 refused what came.
    Error(h2::Error),
    /// Its time is over.
    LifetimeStep(LifetimeStep),
}

/// Exchanges prefaces and SETTINGS with the client. [`run`] boxes it, or else it would keep room for it until
/// the connection ends.
async fn greet<C, IO>(
    io: IO,
    caller: &ConnectionContext<C>,
    timers: &mut Timers<C>,
) -> Result<(Connection<ConnectionIo<IO, C>, Bytes>, Rc<IoStats>), HandshakeFailure>
where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let limits = &caller.limits;
    let io = MonitoredIo::new(io, limits, caller.clock.clone(), Rc::clone(&caller.calls));
    let seen = io.seen();
    timers.seen = Some(Rc::clone(&seen));
    let mut handshake =
        builder(limits).handshake::<_, Bytes>(Budgeted::new(io, limits.read_budget));
    let preface_received = poll_fn(|cx| {
        if let Poll::Ready(step) = timers.poll_step(cx) {
            return Poll::Ready(Err(HandshakeFailure::LifetimeStep(step)));
        }
        let preface_received = Pin::new(&mut handshake).poll(cx);
        if preface_received.is_pending() {
            return timers
                .poll_rest(cx)
                .map(|step| Err(HandshakeFailure::LifetimeStep(step)));
        }
        preface_received.map_err(HandshakeFailure::Error)
    });
    Ok((preface_received.await?, seen))
}

/// Starts the calls that have come.
fn start<C: Clock>(
    accepted: Vec<AcceptedStream>,
    caller: &Rc<ConnectionContext<C>>,
    executor: &LocalExecutor<'static>,
    cx: &mut Context<'_>,
) {
    let mut starter = None;
    for (request, mut respond) in accepted {
        if caller.calls.running() >= most_running(&caller.limits) {
            // Streams that are reset do not count for h2, but their calls may still be about to end.
            respond.send_reset(Reason::REFUSED_STREAM);
        } else if let Some(share) = memory::take(&caller.account, &request) {
            let running = caller.calls.enter(caller.clock.clone());
            let call = call::run(Rc::clone(caller), running, share, request, respond);
            let starter = starter.get_or_insert_with(|| InlineSpawner::new(executor));
            starter.start(call, cx);
        } else {
            call::refuse(caller, &request, respond);
        }
    }
}

/// Polls the connection. The calls that have come are put into `accepted`, whatever else comes with them;
/// their answers are written by the next poll, all at once.
fn poll_next<C, IO>(
    connection: &mut Connection<ConnectionIo<IO, C>, Bytes>,
    timers: &mut Timers<C>,
    accepted: &mut Vec<AcceptedStream>,
    cx: &mut Context<'_>,
) -> Poll<Next>
where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // The timers first: a connection that always has a request must not hold them up.
    if let Poll::Ready(step) = timers.poll_step(cx) {
        return Poll::Ready(Next::LifetimeStep(step));
    }
    while accepted.len() < MOST_AT_ONCE {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok(call))) => {
                if accepted.capacity() == 0 {
                    // Where one has come others have, as a rule; to make room for them bit by bit is to move them.
                    accepted.reserve(MOST_AT_ONCE / 2);
                }
                accepted.push(call);
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Next::Over(Some(error))),
            Poll::Ready(None) => return Poll::Ready(Next::Over(None)),
            Poll::Pending => break,
        }
    }
    if !accepted.is_empty() {
        return Poll::Ready(Next::Calls);
    }
    // What was just read and written may have changed the facts.
    timers.poll_rest(cx).map(Next::LifetimeStep)
}

/// The decisions about a connection's end, and the one timer that wakes its task for them.
pub(super) struct Timers<C> {
    clock: C,
    lifetime: Lifetime,
    calls: Rc<InFlight>,
    drain: DrainWatch,
    seen: Option<Rc<IoStats>>,
    alarm: Option<Alarm>,
}

struct Alarm {
    at: Instant,
    timer: Pin<Box<dyn Future<Output = ()>>>,
}

impl<C: Clock> Timers<C> {
    /// The timers of a connection that was accepted at `now`.
    pub(super) fn new(
        now: Instant,
        limits: Rc<Limits>,
        serial: u64,
        clock: C,
        calls: Rc<InFlight>,
        drain: DrainWatch,
    ) -> Self {
        Self {
            clock,
            lifetime: Lifetime::new(now, limits, serial),
            calls,
            drain,
            seen: None,
            alarm: None,
        }
    }

    /// The next step, unless it is to wait; then the task is woken when there may be another.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<LifetimeStep> {
        let drain = self.drain.poll_bound(cx);
        self.calls.wake_at_end(cx);
        loop {
            let now = self.clock.now();
            let facts = self.facts(now, drain);
            let step = self.lifetime.step(now, &facts);
            let LifetimeStep::Wait(at) = step else {
                return Poll::Ready(step);
            };
            let Some(at) = at else { return Poll::Pending };
            // An alarm that comes too early only makes us look again. Setting one for each call would
            // cost more than that.
            let alarm = match self.alarm.take() {
                Some(alarm) if alarm.at <= at => alarm,
                Some(_) | None => Alarm {
                    at,
                    timer: Box::pin(self.clock.sleep_until(at)),
                },
            };
            let alarm = self.alarm.insert(alarm);
            if alarm.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
        }
    }

    /// [`poll_step`](Self::poll_step) as the last thing before the task rests.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<LifetimeStep> {
        let step = self.poll_step(cx);
        if let (Poll::Pending, Some(seen)) = (&step, &self.seen) {
            seen.others_ran();
        }
        step
    }

    fn facts(&self, now: Instant, drain: Option<Instant>) -> ConnectionFacts {
        let seen = self.seen.as_deref();
        ConnectionFacts {
            preface_received: seen.is_some_and(IoStats::preface_received),
            calls: self.calls.admitted(),
            idle_since: self.calls.idle_since(),
            read_at: seen.map_or(now, IoStats::read_at),
            blocked_since: seen.and_then(IoStats::blocked_since),
            flooded: seen.is_some_and(IoStats::flooded),
            evicted: self.calls.evicted(),
            drain,
        }
    }
}

/// Asks for a sign of life. Any byte that comes is one, so nobody waits for the answer itself.
async fn ping(pings: Option<&mut PingPong>) {
    if let Some(pings) = pings {
        poll_fn(|cx| {
            // The last answer has to be taken before there can be another question.
            let _ = pings.poll_pong(cx);
            Poll::Ready(())
        })
        .await;
        // A connection that has ended says so itself.
        let _ = pings.send_ping(Ping::opaque());
    }
}

/// How many calls of a connection may run. Twice as many as streams: a client that resets all it has and
/// opens new ones at once is within its rights, and the old calls end with their next poll.
fn most_running(limits: &Limits) -> usize {
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
        | CloseCause::Blocked
        | CloseCause::Silent
        | CloseCause::Age
        | CloseCause::Drain => Reason::NO_ERROR,
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_header_list)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.max_send_buffer)
        .data_frame_budget(limits.data_frame_budget)
        .max_pending_accept_reset_streams(limits.max_pending_accept_resets)
        .max_local_error_reset_streams(Some(limits.max_local_error_resets));
    builder
}

fn log_error<C>(caller: &ConnectionContext<C>, error: &h2::Error) {
    tracing::debug!(peer = %caller.peer, %error, "connection ended");
}

fn log_step<C>(caller: &ConnectionContext<C>, step: LifetimeStep) {
    match step {
        LifetimeStep::Close(CloseCause::Flood) => tracing::warn!(
            peer = %caller.peer,
            "connection closed: too many frames that bring no call forward"
        ),
        LifetimeStep::Wait(_) | LifetimeStep::Ping => {}
        LifetimeStep::Leave(_)
        | LifetimeStep::EndCalls(_)
        | LifetimeStep::Close(_)
        | LifetimeStep::Drop(_) => {
            tracing::debug!(peer = %caller.peer, ?step, "connection ends");
        }
    }
}
