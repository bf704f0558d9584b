//! A registry entry during its delivery.
//!
//! Owns the request of each attempt, and what an attempt changes in the registry. It never sends
//! one.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, header};
use smol::lock::{Semaphore, SemaphoreGuard};

use super::delivery::Delivery;
use super::exit_report::ExitReport;
use super::journal::Journal;
use super::policy::{Policy, Reached};
use super::registry::Registry;
use super::request::WebhookRequest;
use super::signature::Secrets;
use super::transport::OutboundRequest;
use crate::lifecycle::Slot;

/// A registry entry during its delivery.
pub(super) struct ActiveDelivery<'a> {
    pub(super) registry: &'a RefCell<Registry>,
    pub(super) secrets: &'a Secrets,
    pub(super) policy: &'a Policy,
    /// Keeps it on disk, if there is a state directory.
    pub(super) journal: Option<&'a Journal>,
    pub(super) slot: Slot,
    pub(super) report: ExitReport,
    /// Attempts of an earlier wrapper, which the backoff counts.
    pub(super) earlier_attempts: u32,
    /// Bounds the attempts at a time; `None` if nothing does.
    pub(super) turns: Option<&'a Semaphore>,
}

/// The error of an attempt for a caller who may not know more.
const UNEXPLAINED: &str = "the attempt failed; the log of the wrapper says why, and callers over \
     TCP see it once a --webhook-allow covers the host";

/// Why an attempt failed.
#[derive(Debug, Clone)]
pub(super) struct FailedAttempt {
    pub(super) text: String,
    pub(super) reached: Reached,
}

impl ActiveDelivery<'_> {
    /// The error as callers may read it.
    fn explained<'a>(&self, registry: &Registry, error: &'a FailedAttempt) -> &'a str {
        let webhook = registry.webhook(self.slot);
        let may_explain = webhook.is_none_or(|webhook| {
            let to = webhook.destination();
            self.policy.may_explain(&to, error.reached)
        });
        if may_explain {
            &error.text
        } else {
            UNEXPLAINED
        }
    }

    /// Completes once an attempt may be made; it keeps the guard until its end.
    pub(super) async fn turn(&self) -> Option<SemaphoreGuard<'_>> {
        match self.turns {
            Some(turns) => Some(turns.acquire().await),
            None => None,
        }
    }

    /// Counts an attempt. Gives its number, from 1, and its request, from what is registered now.
    pub(super) fn begin(&self) -> Option<(u32, OutboundRequest)> {
        let mut registry = self.registry.borrow_mut();
        let (webhook, delivery) = registry.begin(self.slot)?;
        let now = SystemTime::now();
        let request = outbound_request(webhook, delivery, &self.report, self.secrets, now);
        Some((delivery.attempts, request))
    }

    /// The attempt failed; the next one starts at this time.
    pub(super) fn retry(&self, error: &FailedAttempt, at: Option<SystemTime>) {
        let mut registry = self.registry.borrow_mut();
        let error = self.explained(&registry, error);
        registry.retry(self.slot, error, at);
        drop(registry);
        self.keep();
    }

    /// The delivery failed.
    pub(super) fn fail(&self, error: &FailedAttempt) {
        let mut registry = self.registry.borrow_mut();
        let error = self.explained(&registry, error);
        registry.fail(self.slot, error);
        registry.failed_at(self.slot, SystemTime::now());
        drop(registry);
        self.keep();
    }

    /// The receiver accepted the webhook.
    pub(super) fn deliver(&self) {
        self.registry.borrow_mut().deliver(self.slot);
        if let Some(journal) = self.journal {
            journal.remove(&self.name().0);
        }
    }

    /// Completes once the facts about the exit and the number of this attempt are on disk. Without
    /// them the webhook is delivered nevertheless: a later wrapper would only know less.
    pub(super) async fn keep_report(&self) {
        let record = self.registry.borrow().record(self.slot);
        if let Some((journal, record)) = self.journal.zip(record)
            && let Err(why) = journal.put(&record, Journal::time_limit()).await
        {
            let (id, target) = self.name();
            tracing::warn!(
                id,
                target,
                error = %why,
                "the facts of the exit are not on disk; the next wrapper would not know them"
            );
        }
    }

    /// Brings the file up to the registry.
    fn keep(&self) {
        let registry = self.registry.borrow();
        if let Some((journal, record)) = self.journal.zip(registry.record(self.slot)) {
            journal.put_later(&record);
        }
    }

    /// Id and target, for log lines.
    pub(super) fn name(&self) -> (String, String) {
        let registry = self.registry.borrow();
        let delivery = registry.delivery(self.slot);
        delivery
            .map(|delivery| (delivery.id.clone(), delivery.target.clone()))
            .unwrap_or_default()
    }
}

/// The request of one attempt.
fn outbound_request(
    webhook: &WebhookRequest,
    delivery: &Delivery,
    report: &ExitReport,
    secrets: &Secrets,
    now: SystemTime,
) -> OutboundRequest {
    let body = if webhook.method().has_body() {
        report.to_json(&delivery.id, delivery.attempts)
    } else {
        String::new()
    };
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut headers = webhook.headers().to_vec();
    // A header of the webhook overrides the default.
    if !body.is_empty() && !contains(&headers, &header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/json");
        headers.push((header::CONTENT_TYPE, json));
    }
    if !contains(&headers, &header::USER_AGENT) {
        let agent = concat!("process-wrapper/", env!("CARGO_PKG_VERSION"));
        headers.push((header::USER_AGENT, HeaderValue::from_static(agent)));
    }
    let signature = secrets.sign(&delivery.id, timestamp, &body);
    let signed_headers = [
        ("webhook-id", Some(delivery.id.clone())),
        ("webhook-timestamp", Some(timestamp.to_string())),
        ("webhook-signature", signature),
    ];
    for (name, value) in signed_headers {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.push((HeaderName::from_static(name), value));
        }
    }
    OutboundRequest {
        url: webhook.url().clone(),
        origin: webhook.destination().origin,
        method: webhook.method(),
        headers,
        body,
    }
}

fn contains(headers: &[(HeaderName, HeaderValue)], name: &HeaderName) -> bool {
    headers.iter().any(|(other, _)| other == name)
}
