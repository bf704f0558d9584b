//! The registered webhooks on disk.
//!
//! Owns what is written when, and what the wrapper does if it cannot be. It never touches a file:
//! `spool` does, on its own thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use smol::future::FutureExt;
use smol::lock::{Mutex, MutexGuardArc};

use super::entry::Acceptance;
use super::exit_report::ExitReport;
use super::request::WebhookRequest;
use crate::clock::{Clock, MonotonicClock};
use crate::spool::identity::identify;
use crate::spool::markers::{MarkerWatch, Order};
use crate::spool::record::{ProcessIdentity, Record};
use crate::spool::writer::Writer;

/// How long the disk may take before a webhook counts as not durable. A client with the default
/// time limit, 5 s, reads why.
const DISK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the last changes may take when the wrapper leaves.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a webhook is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    /// The disk refused it.
    #[error("{0}")]
    Disk(String),
    /// The disk does not answer.
    #[error("the disk has not answered within 3s")]
    Slow,
}

/// Writes webhooks to the state directory.
#[derive(Debug)]
pub struct Journal {
    writer: Writer,
    best_effort: bool,
    /// One webhook at a time is accepted, so that no other changes the registry between the write
    /// and the registration.
    turn: Arc<Mutex<()>>,
    /// The process, once it was started.
    process: RefCell<Option<ProcessIdentity>>,
    /// `None` if the system cannot watch the directory: then orders wait for the next start.
    watch: Option<MarkerWatch>,
}

impl Journal {
    /// A journal by this writer. With `best_effort` a webhook that is not durable is accepted.
    pub fn new(writer: Writer, best_effort: bool, watch: Option<MarkerWatch>) -> Self {
        Self {
            writer,
            best_effort,
            turn: Arc::default(),
            process: RefCell::default(),
            watch,
        }
    }

    /// By when the disk must have done what is asked of it now.
    pub(super) fn time_limit() -> Instant {
        MonotonicClock.now() + DISK_TIMEOUT
    }

    /// Completes once no other webhook is being accepted. `None`: this one is accepted beside it,
    /// and not kept.
    pub(super) async fn turn(
        &self,
        webhook: &WebhookRequest,
        by: Instant,
    ) -> Result<Option<MutexGuardArc<()>>, NotDurable> {
        let turn = async { Some(self.turn.lock_arc().await) };
        let late = async {
            MonotonicClock.sleep_until(by).await;
            None
        };
        match turn.or(late).await {
            Some(turn) => Ok(Some(turn)),
            None => self.excuse(webhook, NotDurable::Slow).map(|()| None),
        }
    }

    /// Accepts a webhook that is not on disk, if that is wanted.
    fn excuse(&self, webhook: &WebhookRequest, why: NotDurable) -> Result<(), NotDurable> {
        if !self.best_effort {
            return Err(why);
        }
        let target = webhook.target();
        tracing::warn!(target, error = %why, "webhook accepted, but not on disk");
        Ok(())
    }

    /// What is written of a webhook that is accepted now.
    pub(super) fn acceptance(&self, deadline: Duration, report: ExitReport) -> Acceptance {
        Acceptance {
            at: SystemTime::now(),
            deadline,
            process: self.process(),
            report,
        }
    }

    /// The process was started.
    pub(super) fn started(&self, pid: i32) -> Option<ProcessIdentity> {
        self.process.replace(Some(identify(pid)));
        self.process()
    }

    /// The process, once it was started.
    pub(super) fn process(&self) -> Option<ProcessIdentity> {
        self.process.borrow().clone()
    }

    /// Completes once the webhook is on disk, or need not be.
    pub(super) async fn accept(&self, record: &Record, by: Instant) -> Result<(), NotDurable> {
        let written = self.put(record, by).await;
        written.or_else(|why| self.excuse(&record.webhook, why))
    }

    /// Completes once the webhook is on disk.
    pub(super) async fn put(&self, record: &Record, by: Instant) -> Result<(), NotDurable> {
        let bytes = record
            .encode()
            .map_err(|error| NotDurable::Disk(error.to_string()))?;
        let done = self.writer.write(&record.id, bytes);
        let written = async {
            let written = done.wait().await;
            written.map_err(|error| NotDurable::Disk(error.to_string()))
        };
        let late = async {
            MonotonicClock.sleep_until(by).await;
            Err(NotDurable::Slow)
        };
        written.or(late).await
    }

    /// Writes the webhook without waiting for it; the thread logs a failure.
    pub(super) fn put_later(&self, record: &Record) {
        if let Ok(bytes) = record.encode() {
            drop(self.writer.write(&record.id, bytes));
        }
    }

    /// Removes the webhook without waiting for it; the thread logs a failure.
    pub(super) fn remove(&self, id: &str) {
        drop(self.writer.remove(id));
    }

    /// Completes with the orders of operators, once there are any.
    pub(super) async fn orders(&self) -> Vec<(String, Order)> {
        loop {
            let changed = match &self.watch {
                Some(watch) => watch.changed().await,
                None => std::future::pending().await,
            };
            if let Err(error) = changed {
                tracing::warn!(%error, "orders about webhooks wait for the next start");
                return std::future::pending().await;
            }
            let (sender, receiver) = async_channel::bounded(1);
            self.writer.run(move |directory| {
                // The receiver waits.
                let _ = sender.try_send(directory.orders());
            });
            if let Ok(Ok(orders)) = receiver.recv().await
                && !orders.is_empty()
            {
                return orders;
            }
        }
    }

    /// Removes the markers of orders, once the changes before are on disk; that of an unknown
    /// webhook only if it has no file.
    pub(super) fn obeyed(&self, done: Vec<(String, Order)>, unknown: Vec<(String, Order)>) {
        self.writer.run(move |directory| {
            let (unread, gone): (Vec<_>, Vec<_>) =
                unknown.iter().partition(|(id, _)| directory.has(id));
            for (id, order) in unread {
                let word = order.as_str();
                tracing::warn!(
                    id,
                    order = word,
                    "the order of an operator waits for the next start"
                );
            }
            for (id, order) in done.iter().chain(gone) {
                // On failure it is obeyed again.
                let _ = directory.obeyed(id, *order);
            }
        });
    }

    /// Completes once every change is on disk, or after some seconds.
    pub(super) async fn close(&self) {
        let late = async {
            MonotonicClock.sleep(CLOSE_TIMEOUT).await;
            tracing::warn!("the state directory has not taken its last changes in time");
        };
        self.writer.close().or(late).await;
    }
}
