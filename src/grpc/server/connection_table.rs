//! Who is connected, in the order of arrival.
//!
//! Owns the choice of who has to make place for another. It never closes a connection: that one does
//! so itself once it is asked.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::grpc::server::in_flight::InFlight;

/// The connections of a server, by their serial numbers.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    next: u64,
    taken: BTreeMap<u64, Rc<InFlight>>,
}

impl ConnectionTable {
    /// Adds a connection and says which one it is.
    pub(super) fn take(&mut self, calls: Rc<InFlight>) -> u64 {
        let serial = self.next;
        self.next += 1;
        self.taken.insert(serial, calls);
        serial
    }

    /// Removes a connection.
    pub(super) fn leave(&mut self, serial: u64) {
        self.taken.remove(&serial);
    }

    /// Asks a connection without calls to go: one that never made any, if there is such a one, and of those
    /// the one that has been so for longest. False if all are busy or were asked already.
    pub(super) fn evict(&self) -> bool {
        let idle = self
            .taken
            .values()
            .filter(|calls| calls.admitted() == 0 && !calls.evicted())
            .min_by_key(|calls| (calls.progress() > 0, calls.idle_since()));
        if let Some(calls) = idle {
            calls.evict();
        }
        idle.is_some()
    }
}
