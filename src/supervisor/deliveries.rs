//! The deliveries of webhooks: accepted, begun when they are due, and given up when the wrapper
//! leaves.
//!
//! Owns their tasks and the facts that they report. It never decides when one is due: `lifecycle`
//! does.

use std::rc::Rc;

use smol::Task;

use crate::clock::MonotonicClock;
use crate::lifecycle::{Input, Slot};
use crate::supervisor::facts::ProcessFacts;
use crate::supervisor::report::report;
use crate::supervisor::{Handle, RequestError, Supervised};
use crate::webhook::delivery::{Delivery, DeliveryState};
use crate::webhook::{Dispatcher, Prepared, Recovered, RegisterError, WebhookRequest};

/// The registered webhooks, and the tasks of the deliveries under way.
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

    /// Whether a request with this webhook can be accepted; `accepts_new` is whether there is time
    /// for one that is not known yet.
    pub(super) fn check(
        &self,
        webhook: &WebhookRequest,
        accepts_new: bool,
    ) -> Result<(), RequestError> {
        if !accepts_new && !self.webhooks.is_pending_or_delivered(webhook) {
            return Err(RequestError::Leaving);
        }
        Ok(self.webhooks.check(webhook)?)
    }

    /// The dispatcher, if it keeps webhooks in a state directory.
    pub(super) fn durable(&self) -> Option<Dispatcher> {
        self.webhooks.is_durable().then(|| self.webhooks.clone())
    }

    pub(super) fn register(&self, webhook: Prepared) -> Result<Slot, RegisterError> {
        self.webhooks.register_prepared(webhook)
    }

    pub(super) fn withdraw(&self, webhook: Prepared) {
        self.webhooks.withdraw(webhook);
    }

    pub(super) fn recovered(&self) -> Vec<Rc<Recovered>> {
        self.webhooks.recovered()
    }

    pub(super) fn deliver_recovered(
        &self,
        recovered: Rc<Recovered>,
        clock: MonotonicClock,
    ) -> impl Future<Output = bool> + use<> {
        self.webhooks.deliver_recovered(recovered, clock)
    }

    /// The file of each webhook that waits for the end of the process says what is known of it.
    pub(super) fn learn(&self, facts: &ProcessFacts) {
        if facts.exit.is_none() && self.webhooks.is_durable() {
            self.webhooks.learned(&report(facts));
        }
    }

    /// Keeps the task of a delivery until the wrapper leaves.
    pub(super) fn add(&mut self, task: Task<()>) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(task);
    }

    /// Ends the deliveries under way, and lists the webhooks that were not delivered.
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

impl Handle {
    /// Begins a delivery.
    pub(super) fn deliver(&self, supervised: &mut Supervised, slot: Slot) {
        let gone = report(&supervised.facts);
        let delivery = supervised
            .deliveries
            .webhooks
            .deliver(slot, gone, MonotonicClock);
        let handle = self.clone();
        let delivering = async move {
            let delivered = delivery.await;
            handle.apply_or_log(Input::WebhookEnded { slot, delivered });
        };
        let task = self.core.executor.spawn(delivering);
        supervised.deliveries.add(task);
    }
}
