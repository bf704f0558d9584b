//! When a connection of the server ends.
//!
//! Owns every timer of a connection and what follows from each: the greeting, idleness, a peer that does
//! not read or does not answer, the maximum age, the drain. It never closes anything; `connection` does
//! what it says.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::grpc::rules::limits::Limits;

/// What is known about a connection now.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts {
    /// The client's preface and SETTINGS have come.
    pub preface_received: bool,
    /// Calls in flight.
    pub calls: usize,
    /// When the last call ended, or the connection began.
    pub idle_since: Instant,
    /// When bytes last came from the peer.
    pub read_at: Instant,
    /// Since when there has been something to write and no room for it.
    pub blocked_since: Option<Instant>,
    /// The peer has spent its allowance of frames.
    pub flooded: bool,
    /// The server needs the place of this connection.
    pub evicted: bool,
    /// The server drains, until then.
    pub drain: Option<Instant>,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// No preface and SETTINGS in time.
    Handshake,
    /// No call for too long.
    Idle,
    /// Others needed its place, and it had no calls.
    Evicted,
    /// The peer does not read.
    Blocked,
    /// The peer does not answer our PING.
    Silent,
    /// It has reached its maximum age.
    Age,
    /// The server drains.
    Drain,
    /// The peer sent too many frames that bring no call forward.
    Flood,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimeStep {
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
    /// Ask the peer for a sign of life.
    Ping,
    /// Say that no more calls are taken (GOAWAY), and let those in flight end.
    Leave(CloseCause),
    /// End the calls in flight with `UNAVAILABLE`.
    EndCalls(CloseCause),
    /// Say goodbye and close as soon as that is written.
    Close(CloseCause),
    /// Close now.
    Drop(CloseCause),
}

/// How far a connection has come.
#[derive(Debug)]
pub struct Lifetime {
    limits: Rc<Limits>,
    /// When it is too old.
    old_at: Option<Instant>,
    phase: ConnectionPhase,
}

#[derive(Debug, Clone, Copy)]
enum ConnectionPhase {
    /// The client has yet to greet.
    Greeting { until: Option<Instant> },
    /// Calls come and go. `asked`: when a PING was sent that nothing has followed yet.
    Open { asked: Option<Instant> },
    /// GOAWAY was sent; calls in flight may end until then.
    Leaving {
        since: Instant,
        until: Option<Instant>,
        cause: CloseCause,
    },
    /// Calls were told to end.
    Ending { since: Instant, cause: CloseCause },
    /// Only the last frames are still to be written.
    Closing { since: Instant, cause: CloseCause },
}

impl Lifetime {
    /// A connection that was accepted at `now`, the `serial`th.
    #[must_use]
    pub fn new(now: Instant, limits: Rc<Limits>, serial: u64) -> Self {
        Self {
            old_at: after(now, limits.max_age.saturating_sub(jitter(&limits, serial))),
            phase: ConnectionPhase::Greeting {
                until: after(now, limits.handshake_timeout),
            },
            limits,
        }
    }

    /// What to do at `now`. To be asked again after each step, at the time that a [`LifetimeStep::Wait`] gives,
    /// and whenever the facts have changed.
    pub fn step(&mut self, now: Instant, facts: &ConnectionFacts) -> LifetimeStep {
        let mut wake = Earliest::new(now);
        if wake.due(self.blocked_until(facts)) {
            return LifetimeStep::Drop(CloseCause::Blocked);
        }
        match self.phase {
            ConnectionPhase::Greeting { until } => {
                if facts.preface_received {
                    self.phase = ConnectionPhase::Open { asked: None };
                    return self.open(now, facts, None, wake);
                }
                if facts.drain.is_some() {
                    return LifetimeStep::Drop(CloseCause::Drain);
                }
                if facts.evicted {
                    return LifetimeStep::Drop(CloseCause::Evicted);
                }
                if facts.flooded || wake.due(until) {
                    return LifetimeStep::Drop(CloseCause::Handshake);
                }
                wake.wait()
            }
            ConnectionPhase::Open { asked } => self.open(now, facts, asked, wake),
            ConnectionPhase::Leaving {
                since,
                until,
                cause,
            } => {
                if facts.flooded {
                    return self.close(now, CloseCause::Flood);
                }
                if facts.evicted && facts.calls == 0 {
                    return self.close(now, CloseCause::Evicted);
                }
                if facts.calls == 0 && wake.due(self.goaway_timeout(since, facts)) {
                    return self.close(now, cause);
                }
                // A drain can only shorten what is left.
                if wake.due(until) || wake.due(facts.drain) {
                    self.phase = ConnectionPhase::Ending { since: now, cause };
                    return LifetimeStep::EndCalls(cause);
                }
                wake.wait()
            }
            ConnectionPhase::Ending { since, cause } => {
                if facts.calls == 0 && wake.due(self.goaway_timeout(since, facts)) {
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
        asked: Option<Instant>,
        mut wake: Earliest,
    ) -> LifetimeStep {
        let limits = &self.limits;
        if facts.flooded {
            return self.close(now, CloseCause::Flood);
        }
        if facts.evicted && facts.calls == 0 {
            return self.close(now, CloseCause::Evicted);
        }
        if facts.drain.is_some() {
            return self.leave(now, facts.drain, CloseCause::Drain);
        }
        if wake.due(self.old_at) {
            return self.leave(now, after(now, limits.age_grace), CloseCause::Age);
        }
        // While calls are in flight the wait is only to look again.
        let idle_since = if facts.calls == 0 {
            facts.idle_since
        } else {
            now
        };
        if wake.due(after(idle_since, limits.idle_timeout)) {
            return self.leave(now, after(now, limits.age_grace), CloseCause::Idle);
        }
        match asked.filter(|asked| facts.read_at < *asked) {
            Some(asked) => {
                if wake.due(after(asked, limits.keepalive_timeout)) {
                    return LifetimeStep::Drop(CloseCause::Silent);
                }
            }
            None => {
                self.phase = ConnectionPhase::Open { asked: None };
                if wake.due(after(facts.read_at, limits.keepalive_interval)) {
                    self.phase = ConnectionPhase::Open { asked: Some(now) };
                    return LifetimeStep::Ping;
                }
            }
        }
        wake.wait()
    }

    fn leave(&mut self, now: Instant, until: Option<Instant>, cause: CloseCause) -> LifetimeStep {
        self.phase = ConnectionPhase::Leaving {
            since: now,
            until,
            cause,
        };
        LifetimeStep::Leave(cause)
    }

    fn close(&mut self, now: Instant, cause: CloseCause) -> LifetimeStep {
        self.phase = ConnectionPhase::Closing { since: now, cause };
        LifetimeStep::Close(cause)
    }

    fn blocked_until(&self, facts: &ConnectionFacts) -> Option<Instant> {
        after(facts.blocked_since?, self.limits.write_timeout)
    }

    /// Until when a connection without calls may wait for the acknowledgement of our GOAWAY.
    fn goaway_timeout(&self, since: Instant, facts: &ConnectionFacts) -> Option<Instant> {
        after(since.max(facts.idle_since), self.limits.goodbye_timeout)
    }
}

/// How much sooner than others this connection grows old: up to an eighth of the maximum age.
fn jitter(limits: &Limits, serial: u64) -> Duration {
    let sixteenths = u32::try_from(serial % 16).unwrap_or_default();
    (limits.max_age / 128).saturating_mul(sixteenths)
}

/// `None` is beyond the clock's range, and so never.
fn after(start: Instant, duration: Duration) -> Option<Instant> {
    start.checked_add(duration)
}

/// Collects the times to wait for.
#[derive(Debug, Clone, Copy)]
struct Earliest {
    now: Instant,
    at: Option<Instant>,
}

impl Earliest {
    const fn new(now: Instant) -> Self {
        Self { now, at: None }
    }

    /// Whether the time has come; if not, it is one to wait for.
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
#[path = "lifetime/tests.rs"]
mod tests;
