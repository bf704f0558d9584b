//! The connections of a server, and the drain that ends them.
//!
//! Owns the set of connections, the choice of the one to evict, and the one-way switch to draining.
//! It never closes a connection: each watches for its eviction and for the drain.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::{Future as _, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use event_listener::{Event, EventListener};
use smol::future::or;

use crate::access::PeerGroup;
use crate::clock::Clock;
use crate::grpc::rules::lifetime::Eviction;
use crate::grpc::server::in_flight::InFlight;

/// The connections by serial number, which is their order of arrival.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, TrackedConnection>>,
    removed: Event,
    drain_deadline: Cell<Option<Instant>>,
    drain_changed: Event,
}

#[derive(Debug)]
struct TrackedConnection {
    peers: PeerGroup,
    in_flight: Rc<InFlight>,
}

impl ConnectionTable {
    /// Adds a connection, for as long as the guard lives.
    pub(super) fn insert(
        self: &Rc<Self>,
        peers: PeerGroup,
        in_flight: Rc<InFlight>,
    ) -> ConnectionGuard {
        let serial = self.next.get();
        self.next.set(serial + 1);
        let entry = TrackedConnection { peers, in_flight };
        self.connections.borrow_mut().insert(serial, entry);
        ConnectionGuard {
            table: Rc::clone(self),
            serial,
        }
    }

    /// The number of connections.
    pub(super) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// The number of connections of these peers.
    pub(super) fn len_of(&self, peers: PeerGroup) -> usize {
        let connections = self.connections.borrow();
        let theirs = connections.values().filter(|entry| entry.peers == peers);
        theirs.count()
    }

    /// Evicts an idle connection: first one without any progress yet, then one of the peers with
    /// the most connections, then the one that has been idle for longest. False if every connection
    /// has calls or is evicted already.
    pub(super) fn evict_idle(&self) -> bool {
        self.evict_first(Eviction::WhenIdle, |entry, _, count| {
            let calls = &entry.in_flight;
            let key = (calls.progress() > 0, Reverse(count), calls.idle_since());
            (calls.admitted() == 0).then_some(key)
        })
    }

    /// Evicts the oldest connection of the peers with the most, whatever calls it has. False if
    /// every connection is evicted already.
    pub(super) fn evict_oldest(&self) -> bool {
        self.evict_first(Eviction::WithCalls, |_, serial, count| {
            Some((Reverse(count), serial))
        })
    }

    /// Evicts the connection with the lowest key. The key depends on the connection, its serial
    /// number, and the number of connections of its peers.
    fn evict_first<K: Ord>(
        &self,
        eviction: Eviction,
        key: impl Fn(&TrackedConnection, u64, usize) -> Option<K>,
    ) -> bool {
        let connections = self.connections.borrow();
        let mut counts: BTreeMap<PeerGroup, usize> = BTreeMap::new();
        for entry in connections.values() {
            *counts.entry(entry.peers).or_default() += 1;
        }
        let first = connections
            .iter()
            .filter(|(_, entry)| entry.in_flight.eviction() == Eviction::None)
            .filter_map(|(serial, entry)| {
                let count = counts.get(&entry.peers).copied().unwrap_or_default();
                Some((key(entry, *serial, count)?, entry))
            })
            .min_by(|(one, _), (other, _)| one.cmp(other));
        if let Some((_, entry)) = &first {
            entry.in_flight.evict(eviction);
        }
        first.is_some()
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
