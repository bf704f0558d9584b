//! Rate limits for log lines, refusals of tokens and requests for pages.
//!
//! Owns the generic cell rate algorithm: a burst, then one event per interval. Time is an argument.

use std::time::{Duration, Instant};

/// A rate limiter (GCRA).
#[derive(Debug, Clone)]
pub struct Throttle {
    interval: Duration,
    tolerance: Duration,
    /// The theoretical arrival time of the next event.
    next_arrival: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Allows `burst` events at once, then one per `interval`.
    #[must_use]
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.saturating_sub(1)),
            next_arrival: None,
            suppressed: 0,
        }
    }

    /// Lets an event pass if the limit allows it; returns how many were suppressed since the last
    /// one.
    pub fn try_acquire(&mut self, now: Instant) -> Option<u64> {
        if !self.wait(now).is_zero() {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.advance(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Counts an event that happens anyway; returns how long to delay its answer, at most
    /// `max_wait`.
    pub fn reserve(&mut self, now: Instant, max_wait: Duration) -> Duration {
        let wait = self.wait(now).min(max_wait);
        let before = self.next_arrival;
        self.advance(now);
        // Only a delay that is served counts, so the limiter recovers soon after a flood.
        let latest = now + wait + self.tolerance + self.interval;
        self.next_arrival = self.next_arrival.map(|at| at.min(latest)).max(before);
        wait
    }

    fn wait(&self, now: Instant) -> Duration {
        let early = self
            .next_arrival
            .and_then(|next_arrival| next_arrival.checked_sub(self.tolerance));
        early.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn advance(&mut self, now: Instant) {
        let next_arrival = self
            .next_arrival
            .map_or(now, |next_arrival| next_arrival.max(now));
        self.next_arrival = Some(next_arrival + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_then_one_per_interval() {
        let mut throttle = Throttle::new(3, SECOND);
        let start = Instant::now();
        let passed: Vec<_> = (0..5).map(|_| throttle.try_acquire(start)).collect();
        assert_eq!(passed, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(throttle.try_acquire(start + SECOND), Some(2));
        assert_eq!(throttle.try_acquire(start + SECOND), None);
        // After a pause the whole burst is available again.
        let later = start + SECOND * 100;
        assert_eq!(throttle.try_acquire(later), Some(1));
        assert_eq!(throttle.try_acquire(later), Some(0));
        assert_eq!(throttle.try_acquire(later), Some(0));
        assert_eq!(throttle.try_acquire(later), None);
    }

    #[test]
    fn reserved_delays_grow_up_to_the_limit() {
        let mut throttle = Throttle::new(2, SECOND);
        let start = Instant::now();
        let waits: Vec<_> = (0..6)
            .map(|_| throttle.reserve(start, SECOND * 3).as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn a_flood_is_forgotten_after_its_longest_wait() {
        let mut throttle = Throttle::new(1, SECOND);
        let start = Instant::now();
        for _ in 0..10_000 {
            throttle.reserve(start, SECOND * 5);
        }
        assert_eq!(throttle.try_acquire(start + SECOND * 5), None);
        assert_eq!(throttle.try_acquire(start + SECOND * 6), Some(1));
    }
}
