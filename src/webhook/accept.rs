//! The registration of webhooks that are kept in a state directory.
//!
//! Owns its order: first the file, then the signal, then the registry. It never sends the signal:
//! the supervisor does, between [`Dispatcher::prepare`] and [`Dispatcher::register_prepared`].

use super::dispatcher::{Dispatcher, RegisterError, new_id};
use super::exit_report::ExitReport;
use super::journal::Journal;
use super::prepared::{Kept, Prepared};
use super::request::WebhookRequest;
use crate::lifecycle::Slot;
use crate::spool::record::ProcessIdentity;

impl Dispatcher {
    /// Whether webhooks are kept in a state directory.
    pub fn is_durable(&self) -> bool {
        self.shared.journal.is_some()
    }

    /// A webhook that can be registered at once, because no directory keeps any.
    pub fn unkept(webhook: WebhookRequest) -> Prepared {
        let kept = None;
        Prepared { webhook, kept }
    }

    /// Completes once the webhook is on disk. `report` says what is known of the process now.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing remains on disk.
    pub async fn prepare(
        &self,
        webhook: WebhookRequest,
        report: ExitReport,
    ) -> Result<Prepared, RegisterError> {
        let Some(journal) = &self.shared.journal else {
            return Ok(Self::unkept(webhook));
        };
        let by = Journal::time_limit();
        let Some(turn) = journal.turn(&webhook, by).await? else {
            return Ok(Self::unkept(webhook));
        };
        self.check(&webhook)?;
        let acceptance = journal.acceptance(self.shared.deadline, report);
        let (id, record) = {
            let registry = self.shared.registry.borrow();
            registry.preview(&webhook, new_id, acceptance.clone())
        };
        let written = match &record {
            Some(record) => journal.accept(record, by).await,
            None => Ok(()),
        };
        let kept = Some(Kept {
            id,
            acceptance,
            record,
            _turn: turn,
        });
        let prepared = Prepared { webhook, kept };
        match written {
            Ok(()) => Ok(prepared),
            Err(why) => {
                // The disk may still take it.
                self.withdraw(prepared);
                Err(why.into())
            }
        }
    }

    /// Registers a webhook that is on disk.
    ///
    /// # Errors
    /// [`RegisterError`]; the registry and the disk are unchanged.
    pub fn register_prepared(&self, prepared: Prepared) -> Result<Slot, RegisterError> {
        let Prepared { webhook, kept } = prepared;
        let Some((journal, kept)) = self.shared.journal.as_ref().zip(kept) else {
            return self.register(webhook);
        };
        let mut registry = self.shared.registry.borrow_mut();
        let slot = match registry.register(webhook, || kept.id.clone()) {
            Ok(slot) => slot,
            Err(error) => {
                journal.remove(&kept.id);
                return Err(error.into());
            }
        };
        registry.keep(slot, kept.acceptance);
        // An attempt may have been made since the write.
        let record = registry.record(slot);
        if let Some(record) = record.filter(|record| kept.record.as_ref() != Some(record)) {
            journal.put_later(&record);
        }
        Ok(slot)
    }

    /// Takes a webhook back from the disk: its request was not carried out. One that was accepted
    /// before stays as it was.
    pub fn withdraw(&self, prepared: Prepared) {
        let Some((journal, kept)) = self.shared.journal.as_ref().zip(prepared.kept) else {
            return;
        };
        let registry = self.shared.registry.borrow();
        let known = registry.find(&prepared.webhook);
        match known.and_then(|slot| registry.record(slot)) {
            Some(record) => journal.put_later(&record),
            None => journal.remove(&kept.id),
        }
    }

    /// Writes the webhooks of the command line, before the process of this report executes its
    /// program.
    ///
    /// # Errors
    /// [`RegisterError::NotDurable`]; nothing remains on disk.
    pub async fn write_initial(&self, report: &ExitReport) -> Result<(), RegisterError> {
        let Some(journal) = &self.shared.journal else {
            return Ok(());
        };
        journal.started(report.pid);
        for slot in self.slots() {
            let acceptance = journal.acceptance(self.shared.deadline, report.clone());
            let record = {
                let mut registry = self.shared.registry.borrow_mut();
                registry.keep(slot, acceptance);
                registry.record(slot)
            };
            if let Some(record) = record
                && let Err(why) = journal.accept(&record, Journal::time_limit()).await
            {
                self.forget_initial();
                return Err(why.into());
            }
        }
        Ok(())
    }

    /// Removes the webhooks of the command line from the disk: no process was started.
    pub fn forget_initial(&self) {
        if let Some(journal) = &self.shared.journal {
            let registry = self.shared.registry.borrow();
            for delivery in registry.deliveries() {
                journal.remove(&delivery.id);
            }
        }
    }

    /// The process runs, and this is its report if this wrapper is killed.
    pub fn started(&self, report: &ExitReport) {
        self.describe(report, |journal| journal.started(report.pid));
    }

    /// More is known of the process, which is still alive.
    pub fn learned(&self, report: &ExitReport) {
        self.describe(report, Journal::process);
    }

    /// Changes the file of every webhook that waits for the end of the process.
    fn describe(
        &self,
        report: &ExitReport,
        process: impl FnOnce(&Journal) -> Option<ProcessIdentity>,
    ) {
        let Some(journal) = &self.shared.journal else {
            return;
        };
        let mut registry = self.shared.registry.borrow_mut();
        for slot in registry.describe(&process(journal), report) {
            if let Some(record) = registry.record(slot) {
                journal.put_later(&record);
            }
        }
    }

    /// Completes once the disk has every change, or after some seconds.
    pub async fn close(&self) {
        if let Some(journal) = &self.shared.journal {
            journal.close().await;
        }
    }
}
