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
    /// When the next one would be due, had they come evenly.
    due: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Lets `burst` pass at once, and then one for each `interval`.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.saturating_sub(1)),
            due: None,
            suppressed: 0,
        }
    }

    /// Whether one may pass now; then, how many were held back before it.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        if !self.wait(now).is_zero() {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.take(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Whether one could pass now.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// Counts one that cannot be held back. It says how long its consequences should wait.
    pub fn count(&mut self, now: Instant, longest: Duration) -> Duration {
        let wait = self.wait(now).min(longest);
        self.take(now);
        wait
    }

    fn wait(&self, now: Instant) -> Duration {
        let early = self.due.and_then(|due| due.checked_sub(self.tolerance));
        early.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    fn take(&mut self, now: Instant) {
        let due = self.due.map_or(now, |due| due.max(now));
        // However many have come, the debt stays payable within an hour.
        let latest = now + self.tolerance + Duration::from_secs(3600);
        self.due = Some((due + self.interval).min(latest));
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
        let passed: Vec<_> = (0..5).map(|_| throttle.pass(start)).collect();
        assert_eq!(passed, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(throttle.pass(start + SECOND), Some(2));
        assert_eq!(throttle.pass(start + SECOND), None);
        // After a rest the whole burst is there again.
        let later = start + SECOND * 100;
        assert_eq!(throttle.pass(later), Some(1));
        assert_eq!(throttle.pass(later), Some(0));
        assert_eq!(throttle.pass(later), Some(0));
        assert_eq!(throttle.pass(later), None);
    }

    #[test]
    fn what_cannot_be_held_back_waits_ever_longer_up_to_a_bound() {
        let mut throttle = Throttle::new(2, SECOND);
        let start = Instant::now();
        let waits: Vec<_> = (0..6)
            .map(|_| throttle.count(start, SECOND * 3).as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn a_flood_is_forgiven_in_the_end() {
        let mut throttle = Throttle::new(1, SECOND);
        let start = Instant::now();
        for _ in 0..10_000 {
            throttle.count(start, SECOND);
        }
        assert_eq!(throttle.pass(start + SECOND * 3601), Some(0));
    }
}
