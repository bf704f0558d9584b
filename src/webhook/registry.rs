//! The registered webhooks and the state of each delivery.
//!
//! Owns one slot and one id per URL. It never sends a request or reads a clock.

use std::time::SystemTime;

use super::delivery::{Delivery, DeliveryState};
use super::entry::{Acceptance, RegistryEntry};
use super::exit_report::ExitReport;
use super::request::WebhookRequest;
use crate::lifecycle::{MAX_WEBHOOKS, Slot};
use crate::spool::record::{ProcessIdentity, Record};

/// Maximum length of a stored error, in characters.
const MAX_ERROR: usize = 300;

/// All registered webhooks.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Vec<RegistryEntry>,
}

/// The registry is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MAX_WEBHOOKS} webhooks are registered, the maximum; use one of their URLs, or no webhook"
)]
pub struct TooMany;

impl Registry {
    /// The slot of this webhook's URL.
    pub(super) fn find(&self, webhook: &WebhookRequest) -> Option<Slot> {
        self.entries
            .iter()
            .zip(Slot::all())
            .find_map(|(entry, slot)| (entry.webhook.url() == webhook.url()).then_some(slot))
    }

    /// Whether [`Registry::register`] would accept this webhook.
    pub(super) fn check(&self, webhook: &WebhookRequest) -> Result<(), TooMany> {
        match self.find(webhook).or_else(|| self.free()) {
            Some(_) => Ok(()),
            None => Err(TooMany),
        }
    }

    fn free(&self) -> Option<Slot> {
        Slot::all().nth(self.entries.len())
    }

    /// Registers a webhook. If its URL is registered and not yet delivered, replaces method and
    /// headers, unless a caller over TCP would replace those of a local one. `id` makes the id of a
    /// new entry.
    pub(super) fn register(
        &mut self,
        webhook: WebhookRequest,
        id: impl FnOnce() -> String,
    ) -> Result<Slot, TooMany> {
        if let Some(slot) = self.find(&webhook) {
            if let Some(entry) = self.entry(slot) {
                entry.replace(webhook);
            }
            return Ok(slot);
        }
        let slot = self.free().ok_or(TooMany)?;
        self.entries.push(RegistryEntry::new(webhook, id()));
        Ok(slot)
    }

    /// A registry with the webhook of a file, which an earlier wrapper has written.
    pub(super) fn restored(record: Record) -> (Self, Slot) {
        let entry = RegistryEntry::restored(record);
        let registry = Self {
            entries: vec![entry],
        };
        (registry, Slot::FIRST)
    }

    /// The id and the record of a webhook as [`Registry::register`] and [`Registry::keep`] would
    /// make it; no record if its URL was delivered before.
    pub(super) fn preview(
        &self,
        webhook: &WebhookRequest,
        id: impl FnOnce() -> String,
        acceptance: Acceptance,
    ) -> (String, Option<Record>) {
        let known = self
            .find(webhook)
            .and_then(|slot| self.entries.get(usize::from(slot.index())));
        let mut entry = match known {
            Some(entry) => entry.clone(),
            None => RegistryEntry::new(webhook.clone(), id()),
        };
        entry.replace(webhook.clone());
        entry.keep(acceptance);
        let record = entry.record();
        let record = record.map(|record| Record {
            failed_at: None,
            ..record
        });
        (entry.delivery.id, record)
    }

    /// The slot of the webhook with this id.
    pub(super) fn find_id(&self, id: &str) -> Option<Slot> {
        let found = self.entries.iter().zip(Slot::all());
        let mut found = found.filter(|(entry, _)| entry.delivery.id == id);
        found.next().map(|(_, slot)| slot)
    }

    /// A webhook that was given up is pending again; returns whether it was.
    pub(super) fn retry_failed(&mut self, slot: Slot) -> bool {
        let Some(entry) = self.entry(slot) else {
            return false;
        };
        let is_failed = entry.delivery.state == DeliveryState::Failed && !entry.forgotten;
        if let Some(kept) = entry.kept.as_mut().filter(|_| is_failed) {
            kept.due_at = None;
            kept.failed_at = None;
            entry.delivery.state = DeliveryState::Pending;
            return true;
        }
        false
    }

    /// An operator has dropped the webhook: it counts as failed, without further attempts.
    pub(super) fn forget(&mut self, slot: Slot) {
        let delivered =
            |entry: &&mut RegistryEntry| entry.delivery.state == DeliveryState::Delivered;
        if self.entry(slot).as_ref().is_none_or(delivered) {
            return;
        }
        self.set(slot, DeliveryState::Failed, Some("dropped by an operator"));
        if let Some(entry) = self.entry(slot) {
            entry.kept = None;
            entry.forgotten = true;
        }
    }

    /// Whether an operator has dropped it.
    pub(super) fn is_forgotten(&self, slot: Slot) -> bool {
        let entry = self.entries.get(usize::from(slot.index()));
        entry.is_some_and(|entry| entry.forgotten)
    }

    /// Keeps what the file of this webhook needs.
    pub(super) fn keep(&mut self, slot: Slot, acceptance: Acceptance) {
        if let Some(entry) = self.entry(slot) {
            entry.keep(acceptance);
        }
    }

    /// What the file of this webhook holds; `None` if there is none.
    pub(super) fn record(&self, slot: Slot) -> Option<Record> {
        self.entries.get(usize::from(slot.index()))?.record()
    }

    /// The process was started, or more is known of it. Returns the webhooks that wait for its end
    /// and report something else now.
    pub(super) fn describe(
        &mut self,
        process: &Option<ProcessIdentity>,
        report: &ExitReport,
    ) -> Vec<Slot> {
        let entries = self.entries.iter_mut().zip(Slot::all());
        let changed = entries.filter_map(|(entry, slot)| {
            let kept = entry.kept.as_mut().filter(|kept| kept.due_at.is_none())?;
            let acceptance = &mut kept.acceptance;
            let is_new = acceptance.process != *process || acceptance.report != *report;
            acceptance.process.clone_from(process);
            acceptance.report.clone_from(report);
            is_new.then_some(slot)
        });
        changed.collect()
    }

    /// The process is gone, and this is the report of it.
    pub(super) fn is_due(&mut self, slot: Slot, report: &ExitReport, now: SystemTime) {
        if let Some(kept) = self.entry(slot).and_then(|entry| entry.kept.as_mut()) {
            kept.acceptance.report = report.clone();
            kept.due_at.get_or_insert(now);
        }
    }

    /// The process that an earlier wrapper has started is gone; how it ended is not known.
    pub(super) fn saw_the_end(&mut self, slot: Slot, now: SystemTime) {
        if let Some(kept) = self.entry(slot).and_then(|entry| entry.kept.as_mut()) {
            kept.acceptance.report.exited_at = Some(now);
        }
    }

    /// Counts an attempt and gives the webhook to send.
    pub(super) fn begin(&mut self, slot: Slot) -> Option<(&WebhookRequest, &Delivery)> {
        let entry = self.entry(slot).filter(|entry| !entry.forgotten)?;
        entry.delivery.attempts = entry.delivery.attempts.saturating_add(1);
        entry.delivery.next_attempt_at = None;
        Some((&entry.webhook, &entry.delivery))
    }

    /// A delivery begins, the first or a repeated one.
    pub(super) fn arm(&mut self, slot: Slot) {
        self.set(slot, DeliveryState::Pending, None);
    }

    /// The last attempt failed; the next one starts at `at`.
    pub(super) fn retry(&mut self, slot: Slot, error: &str, at: Option<SystemTime>) {
        self.set(slot, DeliveryState::Pending, Some(error));
        if let Some(entry) = self.entry(slot) {
            entry.delivery.next_attempt_at = at;
        }
    }

    /// The delivery failed.
    pub(super) fn fail(&mut self, slot: Slot, error: &str) {
        self.set(slot, DeliveryState::Failed, Some(error));
    }

    /// The delivery failed at this time: its file is kept.
    pub(super) fn failed_at(&mut self, slot: Slot, now: SystemTime) {
        if let Some(kept) = self.entry(slot).and_then(|entry| entry.kept.as_mut()) {
            kept.failed_at = Some(now);
        }
    }

    /// The receiver accepted the webhook.
    pub(super) fn deliver(&mut self, slot: Slot) {
        self.set(slot, DeliveryState::Delivered, None);
    }

    /// One webhook.
    pub(super) fn webhook(&self, slot: Slot) -> Option<&WebhookRequest> {
        let entry = self.entries.get(usize::from(slot.index()));
        entry.map(|entry| &entry.webhook)
    }

    /// The state of one delivery.
    pub(super) fn delivery(&self, slot: Slot) -> Option<&Delivery> {
        self.entries
            .get(usize::from(slot.index()))
            .map(|entry| &entry.delivery)
    }

    /// The state of each delivery, in order of registration.
    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.entries
            .iter()
            .map(|entry| entry.delivery.clone())
            .collect()
    }

    fn set(&mut self, slot: Slot, state: DeliveryState, error: Option<&str>) {
        if let Some(entry) = self.entry(slot).filter(|entry| !entry.forgotten) {
            entry.delivery.state = state;
            entry.delivery.next_attempt_at = None;
            if let Some(error) = error {
                let shown = error.chars().take(MAX_ERROR);
                // The receiver controls part of it, for example the names in its certificate.
                let harmless = shown.map(|c| if c.is_control() { ' ' } else { c });
                entry.delivery.last_error = harmless.collect();
            }
        }
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut RegistryEntry> {
        self.entries.get_mut(usize::from(slot.index()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::method::Method;
    use super::super::policy::Origin;
    use super::*;

    fn webhook(url: &str, token: &str) -> WebhookRequest {
        WebhookRequest::new(url, Method::Post, [("x-token", token)]).unwrap()
    }

    fn registry(urls: &[&str]) -> (Registry, Vec<Slot>) {
        let mut registry = Registry::default();
        let slots = urls
            .iter()
            .map(|url| {
                registry
                    .register(webhook(url, "first"), || format!("id of {url}"))
                    .unwrap()
            })
            .collect();
        (registry, slots)
    }

    fn token(registry: &mut Registry, slot: Slot) -> String {
        let (webhook, _) = registry.begin(slot).unwrap();
        webhook.headers()[0].1.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_repeated_url_replaces_headers_and_keeps_its_id() {
        let (mut registry, slots) = registry(&["http://a/", "http://b/"]);
        let again = registry.register(webhook("http://A:80/#x", "second"), || unreachable!());
        assert_eq!(again, Ok(slots[0]));
        assert_eq!(registry.deliveries().len(), 2);
        assert_eq!(registry.deliveries()[0].id, "id of http://a/");
        assert_eq!(token(&mut registry, slots[0]), "second");
        assert_eq!(token(&mut registry, slots[1]), "first");
    }

    #[test]
    fn a_repeated_url_changes_a_failed_webhook_but_not_a_delivered_one() {
        let (mut registry, slots) = registry(&["http://a/", "http://b/"]);
        registry.deliver(slots[0]);
        registry.fail(slots[1], "answered 404");
        for url in ["http://a/", "http://b/"] {
            registry
                .register(webhook(url, "second"), || unreachable!())
                .unwrap();
        }
        assert_eq!(registry.deliveries()[0].state, DeliveryState::Delivered);
        assert_eq!(registry.deliveries()[1].state, DeliveryState::Failed);
        assert_eq!(token(&mut registry, slots[0]), "first");
        assert_eq!(token(&mut registry, slots[1]), "second");
        registry.arm(slots[1]);
        let delivery = &registry.deliveries()[1];
        assert_eq!(
            (delivery.state, delivery.attempts),
            (DeliveryState::Pending, 1)
        );
        assert_eq!(delivery.last_error, "answered 404");
    }

    #[test]
    fn a_repeated_url_over_tcp_changes_nothing_of_the_operator() {
        let (mut registry, slots) = registry(&["http://localhost/"]);
        let over_tcp = webhook("http://localhost/", "second").with_origin(Origin::Network);
        registry.register(over_tcp, || unreachable!()).unwrap();
        let kept = registry.webhook(slots[0]).unwrap();
        assert_eq!(kept.destination().origin, Origin::Local);
        assert_eq!(token(&mut registry, slots[0]), "first");
    }

    #[test]
    fn a_full_registry_still_accepts_registered_urls() {
        let urls: Vec<String> = Slot::all()
            .map(|slot| format!("http://h/{}", slot.index()))
            .collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let (mut registry, slots) = registry(&urls);
        let one_more = registry.register(webhook("http://h/x", "t"), || unreachable!());
        assert_eq!(one_more, Err(TooMany));
        let again = registry.register(webhook("http://h/15", "t"), || unreachable!());
        assert_eq!(again, Ok(slots[15]));
        assert_eq!(registry.deliveries().len(), usize::from(MAX_WEBHOOKS));
    }

    #[test]
    fn a_stored_error_is_shortened_to_one_line() {
        let (mut registry, slots) = registry(&["http://a/"]);
        let at = SystemTime::UNIX_EPOCH;
        registry.retry(slots[0], &"ä\n".repeat(1000), Some(at));
        let delivery = registry.delivery(slots[0]).unwrap();
        assert!(delivery.last_error.starts_with("ä ä"));
        assert_eq!(delivery.last_error.chars().count(), MAX_ERROR);
        assert_eq!(delivery.next_attempt_at, Some(at));
        registry.begin(slots[0]);
        assert_eq!(registry.delivery(slots[0]).unwrap().next_attempt_at, None);
    }
}
