//! A webhook on its way into the registry.
//!
//! Owns what is known of it between the write to disk and the registration. It never does either.

use smol::lock::MutexGuardArc;

use super::entry::Acceptance;
use super::request::WebhookRequest;
use crate::spool::record::Record;

/// A webhook that can be registered: without a state directory any, with one it is on disk.
#[derive(Debug)]
pub struct Prepared {
    pub(super) webhook: WebhookRequest,
    pub(super) kept: Option<Kept>,
}

/// What is on disk.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) acceptance: Acceptance,
    /// `None` if its URL was delivered before, so that nothing is left to keep.
    pub(super) record: Option<Record>,
    /// No other webhook is accepted before this one is registered or withdrawn.
    pub(super) _turn: MutexGuardArc<()>,
}

impl Prepared {
    /// The webhook.
    pub fn webhook(&self) -> &WebhookRequest {
        &self.webhook
    }
}
