//! The connections of a server, and the drain that ends them.
//!
//! Owns the set of connections, the choice of the one to evict, and the one-way switch to draining.
//! It never closes a connection: each watches for its eviction and for the drain.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future as _, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use event_listener::{Event, EventListener};
use smol::future::or;

use crate::clock::Clock;
use crate::grpc::server::in_flight::InFlight;

/// The connections by serial number, which is their order of arrival.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, Rc<InFlight>>>,
    removed: Event,
    drain_deadline: Cell<Option<Instant>>,
    drain_changed: Event,
}

impl ConnectionTable {
    /// Adds a connection, for as long as the guard lives.
    pub(super) fn insert(self: &Rc<Self>, in_flight: Rc<InFlight>) -> ConnectionGuard {
        let serial = self.next.get();
        self.next.set(serial + 1);
        self.connections.borrow_mut().insert(serial, in_flight);
        ConnectionGuard {
            table: Rc::clone(self),
            serial,
        }
    }

    /// The number of connections.
    pub(super) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Evicts the connection that has been idle for longest, first among those without any progress
    /// yet. False if every connection has calls or is evicted already.
    pub(super) fn evict_idle(&self) -> bool {
        let connections = self.connections.borrow();
        let idle = connections
            .values()
            .filter(|calls| calls.admitted() == 0 && !calls.evicted())
            .min_by_key(|calls| (calls.progress() > 0, calls.idle_since()));
        if let Some(calls) = idle {
            calls.evict();
        }
        idle.is_some()
    }

    /// Begins the drain, or shortens it: the earliest deadline counts.
    pub(super) fn begin_drain(&self, deadline: Instant) {
        let earliest = self
            .drain_deadline
            .get()
            .map_or(deadline, |other| other.min(deadline));
        self.drain_deadline.set(Some(earliest));
        self.drain_changed.notify(usize::MAX);
    }

    /// Completes at the deadline of the drain.
    pub(super) async fn drain_deadline_passed<C: Clock>(&self, clock: &C) {
        loop {
            let changed = self.drain_changed.listen();
            let passed = async {
                match self.drain_deadline.get() {
                    Some(deadline) => clock.sleep_until(deadline).await,
                    None => pending().await,
                }
                true
            };
            let shortened = async {
                changed.await;
                false
            };
            if or(passed, shortened).await {
                return;
            }
        }
    }

    /// Completes when no connection is left.
    pub(super) async fn empty(&self) {
        loop {
            let removed = self.removed.listen();
            if self.len() == 0 {
                return;
            }
            removed.await;
        }
    }

    /// One connection's view of the drain.
    pub(super) fn watch_drain(self: &Rc<Self>) -> DrainWatch {
        DrainWatch {
            table: Rc::clone(self),
            changed: self.drain_changed.listen(),
        }
    }
}

/// Keeps a connection in the table.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    table: Rc<ConnectionTable>,
    serial: u64,
}

impl ConnectionGuard {
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.table.connections.borrow_mut().remove(&self.serial);
        self.table.removed.notify(usize::MAX);
    }
}

/// One connection's view of the drain.
#[derive(Debug)]
pub(super) struct DrainWatch {
    table: Rc<ConnectionTable>,
    changed: EventListener,
}

impl DrainWatch {
    /// The deadline of the drain, once it has begun. Wakes the task when it changes.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        while Pin::new(&mut self.changed).poll(cx).is_ready() {
            self.changed = self.table.drain_changed.listen();
        }
        self.table.drain_deadline.get()
    }
}
