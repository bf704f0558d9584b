//! The rate of log lines that a peer can cause.
//!
//! Owns the limits, and the count of lines held back. It never writes a line: `tests/layers` lists
//! each log call and requires a [`HeldBack`] where a peer can repeat it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::throttle::Throttle;

/// Limits the lines of one kind, such as refused calls of one listener.
#[derive(Debug)]
pub struct LineThrottle(Mutex<Throttle>);

/// The number of lines of the same kind that were not logged before this one.
#[derive(Debug)]
pub struct HeldBack(u64);

impl LineThrottle {
    /// For events, each of another peer or call: 20 lines at once, then one per second.
    #[must_use]
    pub const fn for_events() -> Self {
        Self(Mutex::new(Throttle::new(20, Duration::from_secs(1))))
    }

    /// For a condition that lasts, such as a full listener: one line per minute.
    #[must_use]
    pub const fn for_conditions() -> Self {
        Self(Mutex::new(Throttle::new(1, Duration::from_secs(60))))
    }

    /// Permission for a line at `now`. `None`: it is held back and counted.
    pub fn try_acquire(&self, now: Instant) -> Option<HeldBack> {
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.try_acquire(now).map(HeldBack)
    }
}

impl HeldBack {
    /// The value of the field `held_back`.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_events_becomes_a_burst_and_a_line_per_second() {
        let lines = LineThrottle::for_events();
        let start = Instant::now();
        let logged = (0..1000).filter(|_| lines.try_acquire(start).is_some());
        assert_eq!(logged.count(), 20);
        let later = lines.try_acquire(start + Duration::from_secs(1));
        assert_eq!(later.map(|held_back| held_back.count()), Some(980));
    }

    #[test]
    fn a_condition_is_a_line_per_minute() {
        let lines = LineThrottle::for_conditions();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(lines.try_acquire(at(0)).is_some());
        assert!(lines.try_acquire(at(59)).is_none());
        let later = lines.try_acquire(at(60));
        assert_eq!(later.map(|held_back| held_back.count()), Some(1));
    }
}
