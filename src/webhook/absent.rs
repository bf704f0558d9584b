//! Stand-ins for a build without the feature `webhooks`.
//!
//! Owns the same names. A request is uninhabited, so it never registers or delivers anything.

use std::future::Future;

use super::delivery::{Delivery, RejectReason};
use super::exit_report::ExitReport;
use crate::clock::Clock;
use crate::lifecycle::Slot;

/// Uninhabited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookRequest {}

/// Uninhabited: no registration can fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {}

impl RegisterError {
    /// Unreachable.
    pub fn reject_reason(&self) -> RejectReason {
        match *self {}
    }
}

/// A dispatcher without webhooks.
#[derive(Debug, Clone, Default)]
pub struct Dispatcher(());

impl Dispatcher {
    /// Unreachable.
    pub fn is_pending_or_delivered(&self, webhook: &WebhookRequest) -> bool {
        match *webhook {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// None.
    pub fn check(&self, webhook: &WebhookRequest) -> Result<(), RegisterError> {
        match *webhook {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// None.
    pub fn register(&self, webhook: WebhookRequest) -> Result<Slot, RegisterError> {
        match webhook {}
    }

    /// Always empty.
    pub fn slots(&self) -> Vec<Slot> {
        Vec::new()
    }

    /// Always empty.
    pub fn deliveries(&self) -> Vec<Delivery> {
        Vec::new()
    }

    /// Completes at once, without a delivery.
    pub fn deliver<C: Clock>(
        &self,
        _slot: Slot,
        _report: ExitReport,
        _clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        std::future::ready(false)
    }
}
