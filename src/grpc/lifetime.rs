//! When a connection of the server ends.
//!
//! Owns every timer of a connection and what follows from each: the greeting, idleness, a peer that does
//! not read or does not answer, the maximum age, the drain. It never closes anything; `connection` does
//! what it says.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::limits::Limits;

/// What is known about a connection now.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The client's preface and SETTINGS have come.
    pub greeted: bool,
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
pub enum Cause {
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
pub enum Step {
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
    /// Ask the peer for a sign of life.
    Ping,
    /// Say that no more calls are taken (GOAWAY), and let those in flight end.
    Leave(Cause),
    /// End the calls in flight with `UNAVAILABLE`.
    EndCalls(Cause),
    /// Say goodbye and close as soon as that is written.
    Close(Cause),
    /// Close now.
    Drop(Cause),
}

/// How far a connection has come.
#[derive(Debug)]
pub struct Lifetime {
    limits: Rc<Limits>,
    /// When it is too old.
    old_at: Option<Instant>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The client has yet to greet.
    Greeting { until: Option<Instant> },
    /// Calls come and go. `asked`: when a PING was sent that nothing has followed yet.
    Open { asked: Option<Instant> },
    /// GOAWAY was sent; calls in flight may end until then.
    Leaving {
        since: Instant,
        until: Option<Instant>,
        cause: Cause,
    },
    /// Calls were told to end.
    Ending { since: Instant, cause: Cause },
    /// Only the last frames are still to be written.
    Closing { since: Instant, cause: Cause },
}

impl Lifetime {
    /// A connection that was accepted at `now`, the `serial`th.
    #[must_use]
    pub fn new(now: Instant, limits: Rc<Limits>, serial: u64) -> Self {
        Self {
            old_at: after(now, limits.max_age.saturating_sub(spread(&limits, serial))),
            phase: Phase::Greeting {
                until: after(now, limits.handshake_timeout),
            },
            limits,
        }
    }

    /// What to do at `now`. To be asked again after each step, at the time that a [`Step::Wait`] gives,
    /// and whenever the facts have changed.
    pub fn step(&mut self, now: Instant, facts: &Facts) -> Step {
        let mut wake = Earliest::new(now);
        if wake.due(self.blocked_until(facts)) {
            return Step::Drop(Cause::Blocked);
        }
        match self.phase {
            Phase::Greeting { until } => {
                if facts.greeted {
                    self.phase = Phase::Open { asked: None };
                    return self.open(now, facts, None, wake);
                }
                if facts.drain.is_some() {
                    return Step::Drop(Cause::Drain);
                }
                if facts.evicted {
                    return Step::Drop(Cause::Evicted);
                }
                if facts.flooded || wake.due(until) {
                    return Step::Drop(Cause::Handshake);
                }
                wake.wait()
            }
            Phase::Open { asked } => self.open(now, facts, asked, wake),
            Phase::Leaving {
                since,
                until,
                cause,
            } => {
                if facts.flooded {
                    return self.close(now, Cause::Flood);
                }
                if facts.evicted && facts.calls == 0 {
                    return self.close(now, Cause::Evicted);
                }
                if facts.calls == 0 && wake.due(self.goodbye(since, facts)) {
                    return self.close(now, cause);
                }
                // A drain can only shorten what is left.
                if wake.due(until) || wake.due(facts.drain) {
                    self.phase = Phase::Ending { since: now, cause };
                    return Step::EndCalls(cause);
                }
                wake.wait()
            }
            Phase::Ending { since, cause } => {
                if facts.calls == 0 && wake.due(self.goodbye(since, facts)) {
                    return self.close(now, cause);
                }
                if wake.due(after(since, self.limits.close_timeout)) {
                    return Step::Drop(cause);
                }
                wake.wait()
            }
            Phase::Closing { since, cause } => {
                if wake.due(after(since, self.limits.close_timeout)) {
                    return Step::Drop(cause);
                }
                wake.wait()
            }
        }
    }

    fn open(
        &mut self,
        now: Instant,
        facts: &Facts,
        asked: Option<Instant>,
        mut wake: Earliest,
    ) -> Step {
        let limits = &self.limits;
        if facts.flooded {
            return self.close(now, Cause::Flood);
        }
        if facts.evicted && facts.calls == 0 {
            return self.close(now, Cause::Evicted);
        }
        if facts.drain.is_some() {
            return self.leave(now, facts.drain, Cause::Drain);
        }
        if wake.due(self.old_at) {
            return self.leave(now, after(now, limits.age_grace), Cause::Age);
        }
        // While calls are in flight the wait is only to look again.
        let idle_since = if facts.calls == 0 {
            facts.idle_since
        } else {
            now
        };
        if wake.due(after(idle_since, limits.idle_timeout)) {
            return self.leave(now, after(now, limits.age_grace), Cause::Idle);
        }
        match asked.filter(|asked| facts.read_at < *asked) {
            Some(asked) => {
                if wake.due(after(asked, limits.keepalive_timeout)) {
                    return Step::Drop(Cause::Silent);
                }
            }
            None => {
                self.phase = Phase::Open { asked: None };
                if wake.due(after(facts.read_at, limits.keepalive_interval)) {
                    self.phase = Phase::Open { asked: Some(now) };
                    return Step::Ping;
                }
            }
        }
        wake.wait()
    }

    fn leave(&mut self, now: Instant, until: Option<Instant>, cause: Cause) -> Step {
        self.phase = Phase::Leaving {
            since: now,
            until,
            cause,
        };
        Step::Leave(cause)
    }

    fn close(&mut self, now: Instant, cause: Cause) -> Step {
        self.phase = Phase::Closing { since: now, cause };
        Step::Close(cause)
    }

    fn blocked_until(&self, facts: &Facts) -> Option<Instant> {
        after(facts.blocked_since?, self.limits.write_timeout)
    }

    /// Until when a connection without calls may wait for the acknowledgement of our GOAWAY.
    fn goodbye(&self, since: Instant, facts: &Facts) -> Option<Instant> {
        after(since.max(facts.idle_since), self.limits.goodbye_timeout)
    }
}

/// How much sooner than others this connection grows old: up to an eighth of the maximum age.
fn spread(limits: &Limits, serial: u64) -> Duration {
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

    const fn wait(self) -> Step {
        Step::Wait(self.at)
    }
}

#[cfg(test)]
#[path = "lifetime/tests.rs"]
mod tests;
