//! Webhooks in a build without them.
//!
//! Owns the same names, of things that cannot exist. It never does anything.

use std::future::Future;

use super::delivery::{Delivery, Obstacle};
use super::exit_report::ExitReport;
use crate::clock::Clock;
use crate::lifecycle::Slot;

/// There is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookRequest {}

/// Nothing is ever registered, so nothing fails to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {}

impl RegisterError {
    /// Nothing stands in the way of nothing.
    pub fn obstacle(&self) -> Obstacle {
        match *self {}
    }
}

/// A desk where nothing can be handed in.
#[derive(Debug, Clone, Default)]
pub struct Dispatcher(());

impl Dispatcher {
    /// Whether this webhook is pending or delivered.
    pub fn knows(&self, webhook: &WebhookRequest) -> bool {
        match *webhook {}
    }

    /// Whether this webhook would be taken.
    ///
    /// # Errors
    /// None that exists.
    pub fn check(&self, webhook: &WebhookRequest) -> Result<(), RegisterError> {
        match *webhook {}
    }

    /// Takes a webhook.
    ///
    /// # Errors
    /// None that exists.
    pub fn register(&self, webhook: WebhookRequest) -> Result<Slot, RegisterError> {
        match webhook {}
    }

    /// The places that are taken: none.
    pub fn slots(&self) -> Vec<Slot> {
        Vec::new()
    }

    /// How each delivery stands: there is none.
    pub fn deliveries(&self) -> Vec<Delivery> {
        Vec::new()
    }

    /// Delivers nothing.
    pub fn deliver<C: Clock>(
        &self,
        _slot: Slot,
        _gone: ExitReport,
        _clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        std::future::ready(false)
    }
}
