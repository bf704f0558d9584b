//! The clock of the drivers.
//!
//! Owns the abstraction over the monotonic clock, so that tests and fuzzers run on virtual time. It
//! never reads the wall clock.

use std::future::Future;
use std::time::{Duration, Instant};

/// A monotonic clock and its timers.
pub trait Clock: Clone + Unpin + 'static {
    /// The time now.
    fn now(&self) -> Instant;

    /// Completes at `at`, or at once if that has passed.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + 'static;

    /// Completes after `duration`; never if the sum exceeds the clock's range.
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
        let timer = async_io::Timer::at(at);
        async move {
            timer.await;
        }
    }
}
