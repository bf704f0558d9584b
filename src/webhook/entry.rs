//! One registered webhook: what is sent, how far its delivery has come, and what its file has.
//!
//! Owns the entry and the record of it. It never knows other entries.

use std::time::{Duration, SystemTime};

use super::delivery::{Delivery, DeliveryState};
use super::exit_report::ExitReport;
use super::policy::Origin;
use super::request::WebhookRequest;
use crate::spool::record::{ProcessIdentity, Record};

/// One registered webhook.
#[derive(Debug, Clone)]
pub(super) struct RegistryEntry {
    pub(super) webhook: WebhookRequest,
    pub(super) delivery: Delivery,
    /// With a state directory only.
    pub(super) kept: Option<KeptFacts>,
    /// An operator has dropped it: it is neither attempted nor written.
    pub(super) forgotten: bool,
}

/// How a webhook was accepted, for its file.
#[derive(Debug, Clone)]
pub(super) struct Acceptance {
    pub(super) at: SystemTime,
    /// The time limit of its delivery.
    pub(super) deadline: Duration,
    /// The process, once it was started.
    pub(super) process: Option<ProcessIdentity>,
    /// What is known of the process now.
    pub(super) report: ExitReport,
}

/// What the file of a webhook has beside the webhook and its visible state.
#[derive(Debug, Clone)]
pub(super) struct KeptFacts {
    pub(super) acceptance: Acceptance,
    pub(super) due_at: Option<SystemTime>,
    pub(super) failed_at: Option<SystemTime>,
}

impl RegistryEntry {
    pub(super) fn new(webhook: WebhookRequest, id: String) -> Self {
        let delivery = Delivery {
            id,
            target: webhook.target(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: None,
            last_error: String::new(),
            recovered: false,
        };
        Self {
            webhook,
            delivery,
            kept: None,
            forgotten: false,
        }
    }

    /// The webhook of a file, which an earlier wrapper has written.
    pub(super) fn restored(record: Record) -> Self {
        let Record {
            id,
            webhook,
            accepted_at,
            deadline,
            due_at,
            attempts,
            last_error,
            failed_at,
            process,
            report,
        } = record;
        let mut entry = Self::new(webhook, id);
        entry.delivery.attempts = attempts;
        entry.delivery.last_error = last_error;
        entry.delivery.recovered = true;
        if failed_at.is_some() {
            entry.delivery.state = DeliveryState::Failed;
        }
        entry.kept = Some(KeptFacts {
            acceptance: Acceptance {
                at: accepted_at,
                deadline,
                process,
                report,
            },
            due_at,
            failed_at,
        });
        entry
    }

    /// Replaces method and headers, unless a caller over TCP would replace those of a local one or
    /// the webhook is delivered.
    pub(super) fn replace(&mut self, webhook: WebhookRequest) {
        self.forgotten = false;
        if self.delivery.state == DeliveryState::Delivered {
            return;
        }
        let origins = (
            self.webhook.destination().origin,
            webhook.destination().origin,
        );
        match origins {
            // A caller over TCP must not change the webhook of the operator.
            (Origin::Local, Origin::Network) => {}
            (Origin::Local | Origin::Network, Origin::Local)
            | (Origin::Network, Origin::Network) => self.webhook = webhook,
        }
    }

    /// A webhook that is pending keeps what is known; a failed one begins anew.
    pub(super) fn keep(&mut self, acceptance: Acceptance) {
        if self.kept.is_none() || self.delivery.state == DeliveryState::Failed {
            self.kept = Some(KeptFacts {
                acceptance,
                due_at: None,
                failed_at: None,
            });
        }
    }

    /// What its file holds; `None` without a state directory or once it is delivered.
    pub(super) fn record(&self) -> Option<Record> {
        let kept = self.kept.clone()?;
        let Acceptance {
            at,
            deadline,
            process,
            report,
        } = kept.acceptance;
        (self.delivery.state != DeliveryState::Delivered).then(|| Record {
            id: self.delivery.id.clone(),
            webhook: self.webhook.clone(),
            accepted_at: at,
            deadline,
            due_at: kept.due_at,
            attempts: self.delivery.attempts,
            last_error: self.delivery.last_error.clone(),
            failed_at: kept.failed_at,
            process,
            report,
        })
    }
}
