//! The end of serving: who is still connected, and until when.
//!
//! Owns the count of connections and the one-way switch to draining. It never closes anything: each
//! connection watches the switch and closes itself.

use std::cell::Cell;
use std::future::pending;
use std::time::Instant;

use event_listener::Event;
use smol::future::or;

use crate::clock::Clock;

/// The switch and the count.
#[derive(Debug, Default)]
pub(super) struct Drain {
    bound: Cell<Option<Instant>>,
    changed: Event,
    open: Cell<usize>,
    left: Event,
}

impl Drain {
    /// Counts a connection in for as long as the guard lives.
    pub(super) fn enter(&self) -> Entered<'_> {
        self.open.set(self.open.get().saturating_add(1));
        Entered(self)
    }

    /// Begins the drain, or shortens it: of several bounds the earliest counts.
    pub(super) fn begin(&self, bound: Instant) {
        let earlier = self.bound.get().map_or(bound, |other| other.min(bound));
        self.bound.set(Some(earlier));
        self.changed.notify(usize::MAX);
    }

    /// Completes when the drain has begun.
    pub(super) async fn begun(&self) {
        loop {
            let changed = self.changed.listen();
            if self.bound.get().is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Completes when the drain has taken as long as it may.
    pub(super) async fn bound_passed<C: Clock>(&self, clock: &C) {
        loop {
            let changed = self.changed.listen();
            let passed = async {
                match self.bound.get() {
                    Some(bound) => clock.sleep_until(bound).await,
                    None => pending().await,
                }
                true
            };
            let again = async {
                changed.await;
                false
            };
            if or(passed, again).await {
                return;
            }
        }
    }

    /// Completes when no connection is left.
    pub(super) async fn empty(&self) {
        loop {
            let listener = self.left.listen();
            if self.open.get() == 0 {
                return;
            }
            listener.await;
        }
    }

    /// How many connections there are.
    pub(super) const fn open(&self) -> usize {
        self.open.get()
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Entered<'a>(&'a Drain);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.left.notify(usize::MAX);
    }
}
