//! The end of serving: who is still connected, and until when.
//!
//! Owns the count of connections and the one-way switch to draining. It never closes anything: each
//! connection watches the switch and closes itself.

use std::cell::Cell;
use std::future::{Future as _, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use event_listener::{Event, EventListener};
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
    pub(super) fn enter(self: &Rc<Self>) -> Entered {
        self.open.set(self.open.get().saturating_add(1));
        Entered(Rc::clone(self))
    }

    /// Begins the drain, or shortens it: of several bounds the earliest counts.
    pub(super) fn begin(&self, bound: Instant) {
        let earlier = self.bound.get().map_or(bound, |other| other.min(bound));
        self.bound.set(Some(earlier));
        self.changed.notify(usize::MAX);
    }

    /// A look at the drain for one connection.
    pub(super) fn watch(self: &Rc<Self>) -> DrainWatch {
        DrainWatch {
            drain: Rc::clone(self),
            changed: self.changed.listen(),
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

/// One connection's look at the drain.
#[derive(Debug)]
pub(super) struct DrainWatch {
    drain: Rc<Drain>,
    changed: EventListener,
}

impl DrainWatch {
    /// Until when the drain lasts, if it has begun. The task is woken when that changes.
    pub(super) fn poll_bound(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        while Pin::new(&mut self.changed).poll(cx).is_ready() {
            self.changed = self.drain.changed.listen();
        }
        self.drain.bound.get()
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Entered(Rc<Drain>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.left.notify(usize::MAX);
    }
}
