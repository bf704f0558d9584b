//! Time as the drivers see it.
//!
//! Owns the seam between them and the monotonic clock, so that tests and fuzzers run on virtual time.
//! It never tells the time of day.

use std::future::Future;
use std::time::{Duration, Instant};

/// A clock that does not jump, and sleeps on it.
pub trait Clock: Clone + Unpin + 'static {
    /// The time now.
    fn now(&self) -> Instant;

    /// Completes once `at` has come; at once if it has passed.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static;

    /// Completes after `duration`; never if that is beyond the clock's range.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let at = self.now().checked_add(duration);
        let clock = self.clone();
        async move {
            match at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// `CLOCK_MONOTONIC`, which stands still while the machine is suspended.
#[derive(Debug, Clone, Copy, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static {
        let timer = smol::Timer::at(at);
        async move {
            timer.await;
        }
    }
}
