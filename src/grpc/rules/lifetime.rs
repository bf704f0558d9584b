//! When a connection of the server ends.
//!
//! Owns the decisions of every timer of a connection: handshake, idleness, keepalive, writes,
//! maximum age, drain. It never closes anything; `server/connection` performs the steps.
//!
//! ```text
//!  accepted
//!     │
//! Handshake ──SETTINGS──> Open ──idle, max age, drain──> GoingAway ──grace over──> Terminating
//!     │                    │                                │                          │
//!     │                    └──flood, evicted──> Closing <───┴──no calls, GOAWAY acked──┘
//!     │                                            │
//!     └───────────────timeout───────────────> dropped <── write timeout, in every phase
//! ```

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::grpc::rules::limits::Limits;

/// The facts about a connection on which a step is decided.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts {
    /// The client's preface and SETTINGS have come.
    pub preface_received: bool,
    /// Calls in flight.
    pub calls: usize,
    /// When the last call ended, or the connection began.
    pub idle_since: Instant,
    /// When the peer last sent a byte, or the connection began.
    pub read_at: Instant,
    /// Since when a write waits for room in the socket.
    pub blocked_since: Option<Instant>,
    /// The peer has emptied its token bucket.
    pub flooded: bool,
    /// The server is at its maximum of connections and evicts this one.
    pub eviction: Eviction,
    /// The peer has sent too many wrong tokens.
    pub distrusted: bool,
    /// The deadline of the server's drain, once it has begun.
    pub drain: Option<Instant>,
}

/// Whether a connection has to make way for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// It may stay.
    None,
    /// It closes once it has no calls.
    WhenIdle,
    /// It closes now; its calls end with `UNAVAILABLE`.
    WithCalls,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// No preface and SETTINGS in time.
    Handshake,
    /// No call for too long.
    Idle,
    /// The server was at its maximum of connections, and this one had no calls or could lose them.
    Evicted,
    /// The peer does not read.
    WriteTimeout,
    /// The peer does not answer our PING.
    KeepaliveTimeout,
    /// The connection has reached its maximum age.
    MaxAge,
    /// The server drains.
    Drain,
    /// The peer sent too many frames without progress.
    Flood,
    /// The peer sent too many wrong tokens.
    WrongTokens,
}

/// What the driver of the connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimeStep {
    /// Nothing until then, or until a fact changes.
    Wait(Option<Instant>),
    /// Send a PING.
    Ping,
    /// Send GOAWAY: the connection takes no more calls, and those in flight may end.
    GoAway(CloseCause),
    /// End the calls in flight with `UNAVAILABLE`.
    TerminateCalls(CloseCause),
    /// Send the last GOAWAY, and close once it is written.
    Close(CloseCause),
    /// Close now.
    Drop(CloseCause),
}

/// The phase of one connection.
///
/// The driver calls [`step`](Self::step) after each step, at the time of a [`LifetimeStep::Wait`],
/// and whenever a fact has changed.
#[derive(Debug)]
pub struct Lifetime {
    limits: Rc<Limits>,
    max_age_at: Option<Instant>,
    phase: ConnectionPhase,
}

#[derive(Debug, Clone, Copy)]
enum ConnectionPhase {
    /// The client has not sent its preface yet.
    Handshake { until: Option<Instant> },
    /// Calls come and go. `pinged_at`: when a PING was sent, while nothing has come since.
    Open { pinged_at: Option<Instant> },
    /// GOAWAY was sent; calls in flight may end until then.
    GoingAway {
        since: Instant,
        until: Option<Instant>,
        cause: CloseCause,
    },
    /// The calls were told to end.
    Terminating { since: Instant, cause: CloseCause },
    /// Only the last frames are still to be written.
    Closing { since: Instant, cause: CloseCause },
}

impl Lifetime {
    /// A connection that was accepted at `now`, the `serial`th.
    #[must_use]
    pub fn new(now: Instant, limits: Rc<Limits>, serial: u64) -> Self {
        Self {
            max_age_at: after(now, limits.max_age.saturating_sub(jitter(&limits, serial))),
            phase: ConnectionPhase::Handshake {
                until: after(now, limits.handshake_timeout),
            },
            limits,
        }
    }

    /// What to do at `now`.
    pub fn step(&mut self, now: Instant, facts: &ConnectionFacts) -> LifetimeStep {
        let mut wake = Earliest::new(now);
        let blocked_until = facts
            .blocked_since
            .and_then(|since| after(since, self.limits.write_timeout));
        if wake.due(blocked_until) {
            return LifetimeStep::Drop(CloseCause::WriteTimeout);
        }
        match self.phase {
            ConnectionPhase::Handshake { until } => {
                if facts.preface_received {
                    self.phase = ConnectionPhase::Open { pinged_at: None };
                    return self.open(now, facts, None, wake);
                }
                if facts.drain.is_some() {
                    return LifetimeStep::Drop(CloseCause::Drain);
                }
                if facts.eviction != Eviction::None {
                    return LifetimeStep::Drop(CloseCause::Evicted);
                }
                if facts.flooded || wake.due(until) {
                    return LifetimeStep::Drop(CloseCause::Handshake);
                }
                wake.wait()
            }
            ConnectionPhase::Open { pinged_at } => self.open(now, facts, pinged_at, wake),
            ConnectionPhase::GoingAway {
                since,
                until,
                cause,
            } => {
                if facts.flooded {
                    return self.close(now, CloseCause::Flood);
                }
                if let Some(step) = self.evict(now, facts) {
                    return step;
                }
                if facts.calls == 0 && wake.due(self.goaway_until(since, facts)) {
                    return self.close(now, cause);
                }
                // A drain can only shorten what is left.
                if wake.due(until) || wake.due(facts.drain) {
                    self.phase = ConnectionPhase::Terminating { since: now, cause };
                    return LifetimeStep::TerminateCalls(cause);
                }
                wake.wait()
            }
            ConnectionPhase::Terminating { since, cause } => {
                // An evicted connection awaits no acknowledgement: a new one needs its place.
                if facts.calls == 0 && cause == CloseCause::Evicted {
                    return self.close(now, cause);
                }
                if facts.calls == 0 && wake.due(self.goaway_until(since, facts)) {
                    return self.close(now, cause);
                }
                if wake.due(after(since, self.limits.close_timeout)) {
                    return LifetimeStep::Drop(cause);
                }
                wake.wait()
            }
            ConnectionPhase::Closing { since, cause } => {
                if wake.due(after(since, self.limits.close_timeout)) {
                    return LifetimeStep::Drop(cause);
                }
                wake.wait()
            }
        }
    }

    fn open(
        &mut self,
        now: Instant,
        facts: &ConnectionFacts,
        pinged_at: Option<Instant>,
        mut wake: Earliest,
    ) -> LifetimeStep {
        if facts.flooded {
            return self.close(now, CloseCause::Flood);
        }
        if let Some(step) = self.evict(now, facts) {
            return step;
        }
        let limits = &self.limits;
        if facts.drain.is_some() {
            return self.go_away(now, facts.drain, CloseCause::Drain);
        }
        if facts.distrusted {
            let until = after(now, limits.age_grace);
            return self.go_away(now, until, CloseCause::WrongTokens);
        }
        if wake.due(self.max_age_at) {
            return self.go_away(now, after(now, limits.age_grace), CloseCause::MaxAge);
        }
        // While calls are in flight the timeout starts anew at each step.
        let idle_since = if facts.calls == 0 {
            facts.idle_since
        } else {
            now
        };
        if wake.due(after(idle_since, limits.idle_timeout)) {
            return self.go_away(now, after(now, limits.age_grace), CloseCause::Idle);
        }
        match pinged_at.filter(|pinged_at| facts.read_at < *pinged_at) {
            Some(pinged_at) => {
                if wake.due(after(pinged_at, limits.keepalive_timeout)) {
                    return LifetimeStep::Drop(CloseCause::KeepaliveTimeout);
                }
            }
            None => {
                self.phase = ConnectionPhase::Open { pinged_at: None };
                if wake.due(after(facts.read_at, limits.keepalive_interval)) {
                    let pinged_at = Some(now);
                    self.phase = ConnectionPhase::Open { pinged_at };
                    return LifetimeStep::Ping;
                }
            }
        }
        wake.wait()
    }

    fn evict(&mut self, now: Instant, facts: &ConnectionFacts) -> Option<LifetimeStep> {
        let cause = CloseCause::Evicted;
        match facts.eviction {
            Eviction::WhenIdle | Eviction::WithCalls if facts.calls == 0 => {
                Some(self.close(now, cause))
            }
            Eviction::WithCalls => {
                self.phase = ConnectionPhase::Terminating { since: now, cause };
                Some(LifetimeStep::TerminateCalls(cause))
            }
            Eviction::None | Eviction::WhenIdle => None,
        }
    }

    fn go_away(&mut self, now: Instant, until: Option<Instant>, cause: CloseCause) -> LifetimeStep {
        self.phase = ConnectionPhase::GoingAway {
            since: now,
            until,
            cause,
        };
        LifetimeStep::GoAway(cause)
    }

    fn close(&mut self, now: Instant, cause: CloseCause) -> LifetimeStep {
        self.phase = ConnectionPhase::Closing { since: now, cause };
        LifetimeStep::Close(cause)
    }

    /// Until when a connection without calls waits for the acknowledgement of our GOAWAY.
    fn goaway_until(&self, since: Instant, facts: &ConnectionFacts) -> Option<Instant> {
        after(since.max(facts.idle_since), self.limits.goaway_timeout)
    }
}

/// How much shorter than others this connection's maximum age is: up to an eighth.
fn jitter(limits: &Limits, serial: u64) -> Duration {
    let sixteenths = u32::try_from(serial % 16).unwrap_or_default();
    (limits.max_age / 128).saturating_mul(sixteenths)
}

/// `None` is beyond the clock's range: never.
fn after(start: Instant, duration: Duration) -> Option<Instant> {
    start.checked_add(duration)
}

/// The earliest of the times that are not due yet.
#[derive(Debug, Clone, Copy)]
struct Earliest {
    now: Instant,
    at: Option<Instant>,
}

impl Earliest {
    const fn new(now: Instant) -> Self {
        Self { now, at: None }
    }

    /// Whether `at` has come; if not, it is a time to wait for.
    fn due(&mut self, at: Option<Instant>) -> bool {
        let Some(at) = at else { return false };
        self.at = Some(self.at.map_or(at, |other| other.min(at)));
        at <= self.now
    }

    const fn wait(self) -> LifetimeStep {
        LifetimeStep::Wait(self.at)
    }
}

#[cfg(test)]
mod tests;
