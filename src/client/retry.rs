//! The backoff between attempts, and the point to give up.
//!
//! Owns the pauses between attempts and the window in which an attempt must succeed. It knows no
//! clock: times are arguments, counted from the start of the operation.

use std::time::Duration;

/// The pause after the first failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause. A wrapper that starts is found at most this much later.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The first pause after a refusal, and the longest: each attempt adds a line to the server's log.
/// The refusal may pass: a full listener and a proxy whose backend starts look the same.
const FIRST_AFTER_REFUSAL: Duration = Duration::from_millis(500);
const LONGEST_AFTER_REFUSAL: Duration = Duration::from_secs(2);

/// A connection that has held this long was a good one: its loss opens a new
/// window.
const PROVEN: Duration = Duration::from_secs(1);

/// The attempts of one operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// The longest time without a connection.
    window: Duration,
    /// The start of the window.
    since: Duration,
    pause: Duration,
    attempts: u32,
}

impl Retry {
    pub(super) const fn new(window: Duration) -> Self {
        Self {
            window,
            since: Duration::ZERO,
            pause: FIRST_PAUSE,
            attempts: 0,
        }
    }

    /// The end of the window.
    pub(super) const fn until(&self) -> Duration {
        self.since.saturating_add(self.window)
    }

    /// The start of the window.
    pub(super) const fn since(&self) -> Duration {
        self.since
    }

    /// The number of attempts in the window.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Records a failure at `now` of an attempt whose connection lasted for `held`. `refused`: the
    /// server closed the connection before it answered. Returns the pause before the next attempt,
    /// or `None` to give up.
    pub(super) fn failed(
        &mut self,
        now: Duration,
        held: Option<Duration>,
        refused: bool,
    ) -> Option<Duration> {
        if held.is_some_and(|held| held >= PROVEN) {
            *self = Self {
                since: now,
                ..Self::new(self.window)
            };
        }
        self.attempts = self.attempts.saturating_add(1);
        let left = self.until().saturating_sub(now);
        if left.is_zero() {
            return None;
        }
        if refused {
            let pause = self.pause.max(FIRST_AFTER_REFUSAL);
            self.pause = pause.saturating_mul(2).min(LONGEST_AFTER_REFUSAL);
            let pause = pause.min((left / 2).max(FIRST_AFTER_REFUSAL));
            return (pause < left).then_some(pause);
        }
        // The last pause ends before the window does, so that its end is used for a last attempt.
        let pause = self.pause.min(LONGEST_PAUSE).min(left / 2);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        Some(pause.max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn pauses_grow_and_the_window_ends_them() {
        let mut retry = Retry::new(WINDOW);
        let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
        while let Some(pause) = retry.failed(now, None, false) {
            now += pause;
            pauses.push(pause);
            assert!(pauses.len() < 100, "it never gives up");
        }
        assert_eq!(pauses[..4], [10, 20, 40, 80].map(millis));
        assert_eq!(pauses.iter().max(), Some(&LONGEST_PAUSE));
        assert!(now >= WINDOW && now < WINDOW + millis(10), "{now:?}");
    }

    #[test]
    fn the_loss_of_a_good_connection_opens_a_new_window() {
        let mut retry = Retry::new(WINDOW);
        assert!(retry.failed(millis(4_000), None, false).is_some());
        let hours = Duration::from_secs(7_200);
        assert_eq!(retry.failed(hours, Some(hours), false), Some(FIRST_PAUSE));
        assert_eq!(retry.until(), hours + WINDOW);
        assert_eq!(retry.attempts(), 1);
    }

    #[test]
    fn a_peer_that_only_takes_connections_and_drops_them_is_given_up() {
        let mut retry = Retry::new(WINDOW);
        let held = Some(millis(3));
        assert!(retry.failed(millis(10), held, false).is_some());
        assert!(retry.failed(WINDOW, held, false).is_none());
    }

    #[test]
    fn a_refusal_is_repeated_rarely_until_the_window_ends() {
        let mut retry = Retry::new(WINDOW);
        let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
        while let Some(pause) = retry.failed(now, None, true) {
            now += pause;
            pauses.push(pause);
        }
        assert_eq!(pauses, [500, 1_000, 1_750, 875, 500].map(millis));
        assert!(
            now < WINDOW && now + FIRST_AFTER_REFUSAL >= WINDOW,
            "{now:?}"
        );
        assert_eq!(Retry::new(millis(100)).failed(millis(1), None, true), None);
    }
}
