//! Stand-ins for a build without the feature `webhooks`.
//!
//! Owns the same names. A request is uninhabited, so it never registers or delivers anything.

use std::future::Future;
use std::rc::Rc;

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

/// Uninhabited.
#[derive(Debug)]
pub enum Prepared {}

impl Prepared {
    /// Unreachable.
    pub fn webhook(&self) -> &WebhookRequest {
        match *self {}
    }
}

/// Uninhabited.
#[derive(Debug)]
pub enum Recovered {}

impl Recovered {
    /// Unreachable.
    pub fn is_pending(&self) -> bool {
        match *self {}
    }

    /// Unreachable.
    pub async fn until_gone(&self) {
        match *self {}
    }
}

/// Uninhabited.
#[derive(Debug, Clone, Copy)]
pub enum Order {}

impl Order {
    /// Unreachable.
    pub fn as_str(self) -> &'static str {
        match self {}
    }
}

/// What is left to do after an order.
#[derive(Debug)]
pub enum Obeyed {
    /// Nothing.
    Done,
    /// Never.
    Accepted(Slot),
    /// Never.
    Due(Rc<Recovered>),
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

    /// Never.
    pub fn is_durable(&self) -> bool {
        false
    }

    /// Unreachable.
    pub fn unkept(webhook: WebhookRequest) -> Prepared {
        match webhook {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// None.
    pub async fn prepare(
        &self,
        webhook: WebhookRequest,
        _report: ExitReport,
    ) -> Result<Prepared, RegisterError> {
        match webhook {}
    }

    /// Unreachable.
    ///
    /// # Errors
    /// None.
    pub fn register_prepared(&self, prepared: Prepared) -> Result<Slot, RegisterError> {
        match prepared {}
    }

    /// Unreachable.
    pub fn withdraw(&self, prepared: Prepared) {
        match prepared {}
    }

    /// Writes nothing.
    ///
    /// # Errors
    /// None.
    pub async fn write_initial(&self, _report: &ExitReport) -> Result<(), RegisterError> {
        Ok(())
    }

    /// Removes nothing.
    pub fn forget_initial(&self) {}

    /// Completes at once.
    pub async fn close(&self) {}

    /// Writes nothing.
    pub fn started(&self, _report: &ExitReport) {}

    /// Writes nothing.
    pub fn learned(&self, _report: &ExitReport) {}

    /// Always empty.
    pub fn recovered(&self) -> Vec<Rc<Recovered>> {
        Vec::new()
    }

    /// Unreachable.
    pub fn deliver_recovered<C: Clock>(
        &self,
        recovered: Rc<Recovered>,
        _clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        async move { match *recovered {} }
    }

    /// Never completes.
    pub async fn orders(&self) -> Vec<(String, Order)> {
        std::future::pending().await
    }

    /// Unreachable.
    pub fn obey(&self, _id: &str, order: Order) -> Obeyed {
        match order {}
    }

    /// Removes nothing.
    pub fn obeyed(&self, _orders: Vec<(String, Order)>) {}

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
