//! Webhooks that an earlier wrapper accepted and did not deliver.
//!
//! Owns one of them: its visible state, and the wait for its process. It never makes an attempt:
//! `deliver` does, as for every other webhook.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use smol::Async;

use super::delivery::{Delivery, DeliveryState};
use super::registry::Registry;
use crate::lifecycle::Slot;
use crate::spool::identity;
use crate::spool::record::Record;

/// A webhook of an earlier wrapper: the only one in a registry of its own.
#[derive(Debug)]
pub struct Recovered {
    pub(super) registry: RefCell<Registry>,
    pub(super) slot: Slot,
}

impl Recovered {
    /// The webhook of a file.
    pub fn new(record: Record) -> Self {
        let (registry, slot) = Registry::restored(record);
        Self {
            registry: RefCell::new(registry),
            slot,
        }
    }

    /// Its visible state.
    pub fn delivery(&self) -> Option<Delivery> {
        let registry = self.registry.borrow();
        let delivery = registry.delivery(self.slot)?.clone();
        Some(Delivery {
            recovered: true,
            ..delivery
        })
    }

    /// Whether it is to be delivered: the earlier wrapper has not given it up.
    pub fn is_pending(&self) -> bool {
        let delivery = self.delivery();
        delivery.is_some_and(|delivery| delivery.state == DeliveryState::Pending)
    }

    /// Completes once its process is gone; at once if the earlier wrapper has seen the end.
    pub async fn until_gone(&self) {
        let record = self.registry.borrow().record(self.slot);
        let Some(record) = record.filter(|record| record.due_at.is_none()) else {
            return;
        };
        let Some(pidfd) = record.process.as_ref().and_then(identity::find) else {
            return;
        };
        let (id, pid) = (&record.id, record.report.pid);
        tracing::info!(
            id,
            pid,
            "the process of an earlier wrapper is still alive; its webhook waits for its end"
        );
        if wait(pidfd).await.is_ok() {
            let mut registry = self.registry.borrow_mut();
            registry.saw_the_end(self.slot, SystemTime::now());
        }
    }
}

/// Completes once the process of a pidfd has exited, pidfd_open(2).
async fn wait(pidfd: OwnedFd) -> std::io::Result<()> {
    Async::new_nonblocking(pidfd)?.readable().await
}
