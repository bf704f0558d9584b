//! The timers of one connection.
//!
//! Owns the facts that `lifetime` decides on, and the one alarm that wakes the connection's task.
//! It never performs a step; that is `connection`.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::clock::Clock;
use crate::grpc::rules::lifetime::{ConnectionFacts, Lifetime, LifetimeStep};
use crate::grpc::rules::limits::Limits;
use crate::grpc::server::connection_table::DrainWatch;
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::monitored_io::IoStats;

/// The lifetime of a connection, driven by the clock.
pub(super) struct Timers<C> {
    clock: C,
    lifetime: Lifetime,
    in_flight: Rc<InFlight>,
    drain: DrainWatch,
    io: Option<Rc<IoStats>>,
    alarm: Option<Alarm>,
}

struct Alarm {
    at: Instant,
    timer: Pin<Box<dyn Future<Output = ()>>>,
}

impl<C: Clock> Timers<C> {
    /// The timers of a connection that was accepted at `now`, the `serial`th.
    pub(super) fn new(
        now: Instant,
        limits: Rc<Limits>,
        serial: u64,
        clock: C,
        in_flight: Rc<InFlight>,
        drain: DrainWatch,
    ) -> Self {
        Self {
            clock,
            lifetime: Lifetime::new(now, limits, serial),
            in_flight,
            drain,
            io: None,
            alarm: None,
        }
    }

    /// From now on the facts include those of the byte stream.
    pub(super) fn watch_io(&mut self, stats: Rc<IoStats>) {
        self.io = Some(stats);
    }

    /// The next step, unless it is to wait; then the task is woken when there may be another.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<LifetimeStep> {
        let drain = self.drain.poll_deadline(cx);
        self.in_flight.register_waker(cx);
        loop {
            let now = self.clock.now();
            let facts = self.facts(now, drain);
            let step = self.lifetime.step(now, &facts);
            let LifetimeStep::Wait(at) = step else {
                return Poll::Ready(step);
            };
            let Some(at) = at else { return Poll::Pending };
            // An early alarm only repeats the decision, which is cheaper than an alarm per call.
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

    /// [`poll_step`](Self::poll_step), as the last action of the task before it is pending.
    pub(super) fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<LifetimeStep> {
        let step = self.poll_step(cx);
        if let (Poll::Pending, Some(io)) = (&step, &self.io) {
            io.task_yields();
        }
        step
    }

    fn facts(&self, now: Instant, drain: Option<Instant>) -> ConnectionFacts {
        let io = self.io.as_deref();
        ConnectionFacts {
            preface_received: io.is_some_and(IoStats::preface_received),
            calls: self.in_flight.admitted(),
            idle_since: self.in_flight.idle_since(),
            read_at: io.map_or(now, IoStats::read_at),
            blocked_since: io.and_then(IoStats::blocked_since),
            flooded: io.is_some_and(IoStats::flooded),
            eviction: self.in_flight.eviction(),
            distrusted: self.in_flight.distrusted(),
            drain,
        }
    }
}
