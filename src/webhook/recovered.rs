//! Webhooks that an earlier wrapper accepted and did not deliver.
//!
//! Owns one of them: its visible state, and the wait for its process. It never makes an attempt:
//! `deliver` does, as for every other webhook.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, SystemTime};

use smol::Async;

use super::delivery::{Delivery, DeliveryState};
use super::registry::Registry;
use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::Slot;
use crate::spool::identity;
use crate::spool::record::Record;

/// The pause after a shortage of descriptors or memory.
const RETRY: Duration = Duration::from_secs(1);

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
        let Some(process) = record.process.as_ref() else {
            return;
        };
        let Some(found) = retried(|| identity::find(process)).await else {
            return;
        };
        let (id, pid) = (&record.id, record.report.pid);
        tracing::info!(
            id,
            pid,
            "the process of an earlier wrapper is still alive; its webhook waits for its end"
        );
        // A pidfd is readable once its process has exited, pidfd_open(2).
        let mut pidfd = Some(found);
        while let Some(found) = pidfd {
            let exited = async { Async::new_nonblocking(found)?.readable().await };
            if exited.await.is_ok() {
                let mut registry = self.registry.borrow_mut();
                return registry.saw_the_end(self.slot, SystemTime::now());
            }
            MonotonicClock.sleep(RETRY).await;
            pidfd = retried(|| identity::find(process)).await;
        }
    }
}

/// Repeats what fails for a shortage, of descriptors or memory, until it does not.
async fn retried<T>(mut work: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match work() {
            Ok(done) => return done,
            Err(_) => MonotonicClock.sleep(RETRY).await,
        }
    }
}
