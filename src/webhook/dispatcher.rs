//! Where webhooks are handed in and sent from.
//!
//! Owns the registry, what all deliveries share, and their tasks. It never decides when a delivery begins.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, header};
use ring::rand::{SecureRandom, SystemRandom};
use smol::future::FutureExt;

use super::deliver::{self, Ledger};
use super::delivery::{Delivery, DeliveryState, Obstacle};
use super::dial::{Dialer, Resolve, SystemResolver};
use super::exit_report::ExitReport;
use super::policy::{Policy, PolicyRefusal};
use super::registry::{Registry, TooMany};
use super::request::WebhookRequest;
use super::roots::Roots;
use super::schedule::{PACE, RetryPace};
use super::signature::Secrets;
use super::transport::{OutboundRequest, Transport};
use crate::clock::Clock;
use crate::lifecycle::Slot;

/// What all webhooks share.
#[derive(Debug)]
pub struct DispatcherSettings {
    /// What may be called.
    pub policy: Policy,
    /// What signs; without any, nothing is signed.
    pub secrets: Secrets,
    /// Whom to trust.
    pub roots: Roots,
    /// How long a delivery may take, from when it is due.
    pub deadline: Duration,
    /// The pace of attempts.
    pub pace: RetryPace,
    /// Who knows addresses.
    pub resolver: Box<dyn Resolve>,
    /// Those that are registered from the start.
    pub initial: Vec<WebhookRequest>,
}

impl Default for DispatcherSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            secrets: Secrets::default(),
            roots: Roots::of_the_system(),
            deadline: Duration::from_secs(600),
            pace: PACE,
            resolver: Box::new(SystemResolver),
            initial: Vec::new(),
        }
    }
}

/// Why a webhook is not taken; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is no room.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// It may not be called.
    #[error("the webhook may not be called: {0}")]
    Refused(#[from] PolicyRefusal),
}

impl RegisterError {
    /// What stands in the way.
    pub fn obstacle(&self) -> Obstacle {
        match self {
            Self::TooMany(_) => Obstacle::Limit,
            Self::Refused(_) => Obstacle::Policy,
        }
    }
}

/// The desk. Cloning it makes another handle to the same one.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Rc<DispatcherState>,
}

struct DispatcherState {
    registry: RefCell<Registry>,
    policy: Policy,
    secrets: Secrets,
    transport: Transport,
    deadline: Duration,
    pace: RetryPace,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.registry.borrow().fmt(f)
    }
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self::open(DispatcherSettings::default())
    }
}

impl Dispatcher {
    /// Opens the desk, with the initial webhooks registered.
    ///
    /// # Errors
    /// One of the initial webhooks is not taken.
    pub fn new(mut settings: DispatcherSettings) -> Result<Self, RegisterError> {
        let initial = std::mem::take(&mut settings.initial);
        let webhooks = Self::open(settings);
        for webhook in initial {
            webhooks.register(webhook)?;
        }
        Ok(webhooks)
    }

    fn open(settings: DispatcherSettings) -> Self {
        let dialer = Dialer::new(
            settings.policy.clone(),
            settings.resolver,
            settings.roots,
            settings.pace.attempt,
        );
        Self {
            shared: Rc::new(DispatcherState {
                registry: RefCell::default(),
                policy: settings.policy,
                secrets: settings.secrets,
                transport: Transport::new(dialer),
                deadline: settings.deadline,
                pace: settings.pace,
            }),
        }
    }

    /// Whether this webhook's URL is pending or delivered, so that taking it again arms nothing.
    pub fn knows(&self, webhook: &WebhookRequest) -> bool {
        let registry = self.shared.registry.borrow();
        let delivery = registry
            .find(webhook)
            .and_then(|slot| registry.delivery(slot));
        delivery.is_some_and(|delivery| delivery.phase != DeliveryState::Failed)
    }

    /// Whether [`Dispatcher::register`] would take this webhook.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn check(&self, webhook: &WebhookRequest) -> Result<(), RegisterError> {
        let shared = &self.shared;
        shared.policy.check_host(&webhook.host(), webhook.port())?;
        Ok(shared.registry.borrow().check(webhook)?)
    }

    /// Takes a webhook; the same URL again keeps its place and its id.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing has changed.
    pub fn register(&self, webhook: WebhookRequest) -> Result<Slot, RegisterError> {
        self.check(&webhook)?;
        let mut registry = self.shared.registry.borrow_mut();
        Ok(registry.register(webhook, new_id)?)
    }

    /// The places that are taken.
    pub fn slots(&self) -> Vec<Slot> {
        let count = self.shared.registry.borrow().deliveries().len();
        Slot::all().take(count).collect()
    }

    /// How each delivery stands, in the order of registration.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.registry.borrow().deliveries()
    }

    /// Delivers one. The answer is whether the receiver has it; dropping the future gives up.
    pub fn deliver<C: Clock>(
        &self,
        slot: Slot,
        gone: ExitReport,
        clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        let shared = Rc::clone(&self.shared);
        shared.registry.borrow_mut().arm(slot);
        async move {
            let entry = ActiveDelivery {
                shared: &shared,
                slot,
                gone,
            };
            let trying = deliver::deliver(
                &clock,
                &shared.transport,
                shared.pace,
                shared.deadline,
                &entry,
            );
            // A receiver must not be able to end the wrapper, whatever a library makes of its answer.
            if AssertUnwindSafe(trying).catch_unwind().await.is_err() {
                let (id, target) = entry.name();
                tracing::error!(
                    id,
                    target,
                    "a delivery panicked, which is a defect of process-wrapper"
                );
                entry.fail("the delivery panicked");
            }
            let registry = shared.registry.borrow();
            registry
                .delivery(slot)
                .is_some_and(|delivery| delivery.phase == DeliveryState::Delivered)
        }
    }
}

/// One place in the registry, for as long as it is being delivered.
struct ActiveDelivery<'a> {
    shared: &'a DispatcherState,
    slot: Slot,
    gone: ExitReport,
}

impl Ledger for ActiveDelivery<'_> {
    fn begin(&self) -> Option<(u32, OutboundRequest)> {
        let mut registry = self.shared.registry.borrow_mut();
        let (webhook, delivery) = registry.begin(self.slot)?;
        let now = SystemTime::now();
        let call = call(webhook, delivery, &self.gone, &self.shared.secrets, now);
        Some((delivery.attempts, call))
    }

    fn retry(&self, error: &str, at: Option<SystemTime>) {
        let mut registry = self.shared.registry.borrow_mut();
        registry.retry(self.slot, error, at);
    }

    fn fail(&self, error: &str) {
        self.shared.registry.borrow_mut().fail(self.slot, error);
    }

    fn deliver(&self) {
        self.shared.registry.borrow_mut().deliver(self.slot);
    }

    fn name(&self) -> (String, String) {
        let registry = self.shared.registry.borrow();
        let delivery = registry.delivery(self.slot);
        delivery
            .map(|delivery| (delivery.id.clone(), delivery.target.clone()))
            .unwrap_or_default()
    }
}

/// What one attempt sends.
fn call(
    webhook: &WebhookRequest,
    delivery: &Delivery,
    gone: &ExitReport,
    secrets: &Secrets,
    now: SystemTime,
) -> OutboundRequest {
    let body = if webhook.method().has_body() {
        gone.to_json(&delivery.id, delivery.attempts)
    } else {
        String::new()
    };
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut headers = webhook.headers().to_vec();
    // What was asked for wins over what is usual.
    if !body.is_empty() && !has(&headers, &header::CONTENT_TYPE) {
        let json = HeaderValue::from_static("application/json");
        headers.push((header::CONTENT_TYPE, json));
    }
    if !has(&headers, &header::USER_AGENT) {
        let agent = concat!("process-wrapper/", env!("CARGO_PKG_VERSION"));
        headers.push((header::USER_AGENT, HeaderValue::from_static(agent)));
    }
    let signature = secrets.sign(&delivery.id, timestamp, &body);
    let ours = [
        ("webhook-id", Some(delivery.id.clone())),
        ("webhook-timestamp", Some(timestamp.to_string())),
        ("webhook-signature", signature),
    ];
    for (name, value) in ours {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.push((HeaderName::from_static(name), value));
        }
    }
    OutboundRequest {
        url: webhook.url().clone(),
        method: webhook.method(),
        headers,
        body,
    }
}

fn has(headers: &[(HeaderName, HeaderValue)], name: &HeaderName) -> bool {
    headers.iter().any(|(other, _)| other == name)
}

/// An id that nobody else has: 128 random bits.
fn new_id() -> String {
    use std::fmt::Write;

    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Without the kernel's source, which does not happen: unique is enough, it is no secret.
        fastrand::fill(&mut bytes);
    }
    bytes.iter().fold("msg_".to_owned(), |mut id, byte| {
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}
