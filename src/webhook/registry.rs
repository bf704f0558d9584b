//! The registered webhooks and the state of each delivery.
//!
//! Owns one slot and one id per URL. It never sends a request or reads a clock.

use std::time::SystemTime;

use super::delivery::{Delivery, DeliveryState};
use super::policy::Origin;
use super::request::WebhookRequest;
use crate::lifecycle::{MAX_WEBHOOKS, Slot};

/// Maximum length of a stored error, in characters.
const MAX_ERROR: usize = 300;

/// All registered webhooks.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Vec<RegistryEntry>,
}

#[derive(Debug)]
struct RegistryEntry {
    webhook: WebhookRequest,
    delivery: Delivery,
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
            if let Some(entry) = self.entry(slot)
                && entry.delivery.state != DeliveryState::Delivered
            {
                let origins = (
                    entry.webhook.destination().origin,
                    webhook.destination().origin,
                );
                match origins {
                    // A caller over TCP must not change the webhook of the operator.
                    (Origin::Local, Origin::Network) => {}
                    (Origin::Local | Origin::Network, Origin::Local)
                    | (Origin::Network, Origin::Network) => entry.webhook = webhook,
                }
            }
            return Ok(slot);
        }
        let slot = self.free().ok_or(TooMany)?;
        let delivery = Delivery {
            id: id(),
            target: webhook.target(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: None,
            last_error: String::new(),
        };
        self.entries.push(RegistryEntry { webhook, delivery });
        Ok(slot)
    }

    /// Counts an attempt and gives the webhook to send.
    pub(super) fn begin(&mut self, slot: Slot) -> Option<(&WebhookRequest, &Delivery)> {
        let entry = self.entry(slot)?;
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
        if let Some(entry) = self.entry(slot) {
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
