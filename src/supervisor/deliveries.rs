//! The deliveries of webhooks: taken, begun when they are due, and given up when the wrapper leaves.
//!
//! Owns their tasks and what they tell of the process. It never decides when one is due: `lifecycle` does.

use smol::Task;

use crate::clock::MonotonicClock;
use crate::lifecycle::{Input, Slot};
use crate::process::child::SignalError;
use crate::process::self_process;
use crate::supervisor::facts::{AfterExitFacts, Facts};
use crate::supervisor::{Handle, Supervised};
use crate::webhook::delivery::{Delivery, DeliveryState};
use crate::webhook::exit_report::{AfterExitReport, ExitReport};
use crate::webhook::{Dispatcher, RegisterError, WebhookRequest};

/// Why a request was not, or not wholly, carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The kernel refused the signal.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The webhook was not taken.
    #[error(transparent)]
    Webhook(#[from] RegisterError),
    /// There is no time left for another webhook.
    #[error("the wrapper was told to stop and only waits for its last deliveries")]
    Leaving,
}

/// The registered webhooks, and those that are under way.
#[derive(Debug)]
pub(super) struct Deliveries {
    webhooks: Dispatcher,
    tasks: Vec<Task<()>>,
}

impl Deliveries {
    pub(super) fn new(webhooks: Dispatcher) -> Self {
        Self {
            webhooks,
            tasks: Vec::new(),
        }
    }

    pub(super) fn facts(&self) -> Vec<Delivery> {
        self.webhooks.deliveries()
    }

    /// Ends what is under way, and lists what was not delivered.
    pub(super) fn abandon(&mut self) {
        self.tasks.clear();
        for delivery in self.webhooks.deliveries() {
            let Delivery {
                id,
                target,
                state,
                attempts,
                last_error,
                ..
            } = delivery;
            match state {
                DeliveryState::Delivered => {}
                DeliveryState::Pending | DeliveryState::Failed => {
                    tracing::warn!(id, target, attempts, last_error, "webhook not delivered");
                }
            }
        }
    }
}

impl Supervised {
    /// Takes a webhook, unless that would keep a wrapper that is leaving.
    pub(super) fn accept(&self, webhook: WebhookRequest) -> Result<Slot, RequestError> {
        let webhooks = &self.deliveries.webhooks;
        if !self.lifecycle.accepts_webhooks() && !webhooks.is_pending_or_delivered(&webhook) {
            return Err(RequestError::Leaving);
        }
        Ok(webhooks.register(webhook)?)
    }
}

impl Handle {
    /// Begins a delivery.
    pub(super) fn deliver(&self, supervised: &mut Supervised, slot: Slot) {
        let Some(gone) = gone(&supervised.facts) else {
            return;
        };
        let delivery = supervised
            .deliveries
            .webhooks
            .deliver(slot, gone, MonotonicClock);
        let handle = self.clone();
        let delivering = async move {
            let delivered = delivery.await;
            handle.apply_or_log(Input::WebhookEnded { slot, delivered });
        };
        let task = self.shared.executor.spawn(delivering);
        let tasks = &mut supervised.deliveries.tasks;
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }
}

/// What is told of a process that has gone; of one that has not, nothing.
fn gone(facts: &Facts) -> Option<ExitReport> {
    Some(ExitReport {
        program: facts.program.clone(),
        pid: facts.pid,
        hostname: self_process::hostname(),
        started_at: facts.started_at,
        shutdown_requested_at: facts.shutdown_requested_at,
        exited_at: facts.exited_at?,
        exit: facts.exit?,
        requested: facts.requested,
        after_exit: match &facts.after_exit {
            Some(AfterExitFacts::Ended(exit)) => Some(AfterExitReport::Ended(*exit)),
            Some(AfterExitFacts::TimedOut(exit)) => Some(AfterExitReport::TimedOut(*exit)),
            Some(AfterExitFacts::FailedToStart(error)) => {
                Some(AfterExitReport::FailedToStart(error.clone()))
            }
            // Deliveries come after the command.
            Some(AfterExitFacts::Pending | AfterExitFacts::Running) | None => None,
        },
    })
}
