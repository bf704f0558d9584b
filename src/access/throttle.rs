//! How often something may happen.
//!
//! Owns the count: a burst, then one for each interval (the generic cell rate algorithm). Time is an
//! argument.

use std::time::{Duration, Instant};

/// Lets a burst pass, and after it one for each interval.
#[derive(Debug, Clone)]
pub struct Throttle {
    interval: Duration,
    tolerance: Duration,
    /// The theoretical arrival time of the next event.
    next_arrival: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Lets `burst` pass at once, and then one for each `interval`.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.saturating_sub(1)),
            next_arrival: None,
            suppressed: 0,
        }
    }

    /// Whether one may pass now; then, how many were held back before it.
    pub fn try_acquire(&mut self, now: Instant) -> Option<u64> {
        if !self.wait(now).is_zero() {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.advance(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Whether one could pass now.
    #[must_use]
    pub fn has_capacity(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// Counts one that cannot be held back. It says how long its consequences should wait.
    pub fn reserve(&mut self, now: Instant, max_wait: Duration) -> Duration {
        let wait = self.wait(now).min(max_wait);
        self.advance(now);
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
        // However many have come, the debt stays payable within an hour.
        let latest = now + self.tolerance + Duration::from_secs(3600);
        self.next_arrival = Some((next_arrival + self.interval).min(latest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_then_one_for_each_interval() {
        let mut throttle = Throttle::new(3, SECOND);
        let start = Instant::now();
        let passed: Vec<_> = (0..5).map(|_| throttle.try_acquire(start)).collect();
        assert_eq!(passed, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(throttle.try_acquire(start + SECOND), Some(2));
        assert_eq!(throttle.try_acquire(start + SECOND), None);
        // After a rest the whole burst is there again.
        let later = start + SECOND * 100;
        assert_eq!(throttle.try_acquire(later), Some(1));
        assert_eq!(throttle.try_acquire(later), Some(0));
        assert_eq!(throttle.try_acquire(later), Some(0));
        assert_eq!(throttle.try_acquire(later), None);
    }

    #[test]
    fn what_cannot_be_held_back_waits_ever_longer_up_to_a_bound() {
        let mut throttle = Throttle::new(2, SECOND);
        let start = Instant::now();
        let waits: Vec<_> = (0..6)
            .map(|_| throttle.reserve(start, SECOND * 3).as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn a_flood_is_forgiven_in_the_end() {
        let mut throttle = Throttle::new(1, SECOND);
        let start = Instant::now();
        for _ in 0..10_000 {
            throttle.reserve(start, SECOND);
        }
        assert_eq!(throttle.try_acquire(start + SECOND * 3601), Some(0));
    }
}
