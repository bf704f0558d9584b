//! Registers webhooks and delivers them.
//!
//! Owns the registry and the settings that all deliveries share. It never decides when a delivery
//! begins: `lifecycle` does.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use event_listener::Event;
use ring::rand::{SecureRandom, SystemRandom};
use smol::future::FutureExt;
use smol::lock::Semaphore;

use super::active_delivery::{ActiveDelivery, FailedAttempt};
use super::deliver;
use super::delivery::{Delivery, DeliveryState, RejectReason};
use super::dial::{Dialer, Resolve, SystemResolver};
use super::exit_report::ExitReport;
use super::journal::{Journal, NotDurable};
use super::policy::{Policy, PolicyRefusal, Reached};
use super::recovered::Recovered;
use super::registry::{Registry, TooMany};
use super::request::WebhookRequest;
use super::roots::Roots;
use super::schedule::RetryPolicy;
use super::signature::Secrets;
use super::transport::Transport;
use crate::clock::Clock;
use crate::lifecycle::Slot;
use crate::spool::record::Record;

/// The settings of all webhooks.
#[derive(Debug)]
pub struct DispatcherSettings {
    /// The allowed destinations.
    pub policy: Policy,
    /// The signing secrets; without one, no request is signed.
    pub secrets: Secrets,
    /// The trusted certificate authorities.
    pub roots: Roots,
    /// The time limit of a delivery, from its begin.
    pub deadline: Duration,
    /// The delays and limits of attempts.
    pub retry: RetryPolicy,
    /// Resolves the hosts of webhooks.
    pub resolver: Box<dyn Resolve>,
    /// The webhooks registered at the start.
    pub initial: Vec<WebhookRequest>,
    /// Keeps webhooks in the state directory, if there is one.
    pub journal: Option<Journal>,
    /// The webhooks that an earlier wrapper left there.
    pub recovered: Vec<Record>,
}

impl Default for DispatcherSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            secrets: Secrets::default(),
            roots: Roots::system(),
            deadline: Duration::from_secs(600),
            retry: RetryPolicy::DEFAULT,
            resolver: Box::new(SystemResolver),
            initial: Vec::new(),
            journal: None,
            recovered: Vec::new(),
        }
    }
}

/// Why a webhook was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The registry is full.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The policy denies the host.
    #[error("the webhook is not allowed: {0}")]
    Refused(#[from] PolicyRefusal),
    /// It cannot be written to the state directory.
    #[error("the webhook cannot be written to the state directory: {0}")]
    NotDurable(#[from] NotDurable),
}

impl RegisterError {
    /// The reason, without its details.
    pub fn reject_reason(&self) -> RejectReason {
        match self {
            Self::TooMany(_) => RejectReason::Limit,
            Self::Refused(_) => RejectReason::Policy,
            Self::NotDurable(_) => RejectReason::NotDurable,
        }
    }
}

/// The registered webhooks and their deliveries. A clone is a handle to the same dispatcher.
#[derive(Clone)]
pub struct Dispatcher {
    pub(super) shared: Rc<DispatcherState>,
}

pub(super) struct DispatcherState {
    pub(super) registry: RefCell<Registry>,
    policy: Policy,
    secrets: Secrets,
    transport: Transport,
    pub(super) deadline: Duration,
    retry: RetryPolicy,
    pub(super) journal: Option<Journal>,
    pub(super) recovered: Vec<Rc<Recovered>>,
    /// Bounds the attempts for webhooks of an earlier wrapper at a time, of which there can be
    /// more than descriptors. Our own, which are few, never wait.
    recovered_turns: Semaphore,
    /// Notified when an operator drops a webhook.
    pub(super) dropped: Event,
}

/// Attempts at a time for webhooks of an earlier wrapper.
const RECOVERED_ATTEMPTS: usize = 16;

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.registry.borrow().fmt(f)
    }
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self::with_settings(DispatcherSettings::default())
    }
}

impl Dispatcher {
    /// A dispatcher with the initial webhooks registered.
    ///
    /// # Errors
    /// [`RegisterError`] of an initial webhook.
    pub fn new(mut settings: DispatcherSettings) -> Result<Self, RegisterError> {
        let initial = std::mem::take(&mut settings.initial);
        let dispatcher = Self::with_settings(settings);
        for webhook in initial {
            dispatcher.register(webhook)?;
        }
        Ok(dispatcher)
    }

    /// A dispatcher without webhooks.
    fn with_settings(settings: DispatcherSettings) -> Self {
        let dialer = Dialer::new(
            settings.policy.clone(),
            settings.resolver,
            settings.roots,
            settings.retry.attempt_timeout,
        );
        Self {
            shared: Rc::new(DispatcherState {
                registry: RefCell::default(),
                policy: settings.policy,
                secrets: settings.secrets,
                transport: Transport::new(dialer),
                deadline: settings.deadline,
                retry: settings.retry,
                journal: settings.journal,
                recovered: settings
                    .recovered
                    .into_iter()
                    .map(|record| Rc::new(Recovered::new(record)))
                    .collect(),
                recovered_turns: Semaphore::new(RECOVERED_ATTEMPTS),
                dropped: Event::new(),
            }),
        }
    }

    /// Whether a webhook with this URL is pending or delivered, so that a repeated registration
    /// begins no delivery.
    pub fn is_pending_or_delivered(&self, webhook: &WebhookRequest) -> bool {
        let registry = self.shared.registry.borrow();
        let delivery = registry
            .find(webhook)
            .and_then(|slot| registry.delivery(slot));
        delivery.is_some_and(|delivery| delivery.state != DeliveryState::Failed)
    }

    /// Whether [`Dispatcher::register`] would register this webhook.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn check(&self, webhook: &WebhookRequest) -> Result<(), RegisterError> {
        let shared = &self.shared;
        shared.policy.check_host(&webhook.destination())?;
        Ok(shared.registry.borrow().check(webhook)?)
    }

    /// Registers a webhook. A registered URL keeps its slot and its id.
    ///
    /// # Errors
    /// [`RegisterError`]; the registry is unchanged.
    pub fn register(&self, webhook: WebhookRequest) -> Result<Slot, RegisterError> {
        self.check(&webhook)?;
        let mut registry = self.shared.registry.borrow_mut();
        Ok(registry.register(webhook, new_id)?)
    }

    /// The slots in use.
    pub fn slots(&self) -> Vec<Slot> {
        let count = self.shared.registry.borrow().deliveries().len();
        Slot::all().take(count).collect()
    }

    /// The state of each delivery, in order of registration; those of an earlier wrapper last.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let mut all = self.shared.registry.borrow().deliveries();
        all.extend(
            self.shared
                .recovered
                .iter()
                .filter_map(|one| one.delivery()),
        );
        all
    }

    /// Delivers one webhook. The output is whether the receiver accepted it. Dropping the future
    /// gives up.
    pub fn deliver<C: Clock>(
        &self,
        slot: Slot,
        report: ExitReport,
        clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        let shared = Rc::clone(&self.shared);
        let mut registry = shared.registry.borrow_mut();
        registry.arm(slot);
        registry.is_due(slot, &report, SystemTime::now());
        drop(registry);
        async move {
            let active = ActiveDelivery {
                registry: &shared.registry,
                secrets: &shared.secrets,
                policy: &shared.policy,
                journal: shared.journal.as_ref(),
                slot,
                report,
                earlier_attempts: 0,
                turns: None,
            };
            shared.attempt(&clock, &active, shared.deadline).await
        }
    }

    /// The webhooks of an earlier wrapper.
    pub fn recovered(&self) -> Vec<Rc<Recovered>> {
        self.shared.recovered.clone()
    }

    /// Delivers the webhook of an earlier wrapper within the rest of its time. If that has passed
    /// while no wrapper ran, one attempt is made.
    pub fn deliver_recovered<C: Clock>(
        &self,
        recovered: Rc<Recovered>,
        clock: C,
    ) -> impl Future<Output = bool> + use<C> {
        let shared = Rc::clone(&self.shared);
        async move {
            let now = SystemTime::now();
            let (registry, slot) = (&recovered.registry, recovered.slot);
            let Some(record) = registry.borrow().record(slot) else {
                return true;
            };
            let report = record.report.clone();
            registry.borrow_mut().is_due(slot, &report, now);
            let left = record.time_left(now).max(shared.retry.attempt_timeout);
            let active = ActiveDelivery {
                registry,
                secrets: &shared.secrets,
                policy: &shared.policy,
                journal: shared.journal.as_ref(),
                slot,
                report,
                earlier_attempts: record.attempts,
                turns: Some(&shared.recovered_turns),
            };
            shared.attempt(&clock, &active, left).await
        }
    }
}

impl DispatcherState {
    /// Makes the attempts of one delivery, and returns whether the receiver accepted it.
    async fn attempt<C: Clock>(
        &self,
        clock: &C,
        active: &ActiveDelivery<'_>,
        budget: Duration,
    ) -> bool {
        let dropped = async {
            while !active.registry.borrow().is_forgotten(active.slot) {
                self.dropped.listen().await;
            }
        };
        let attempts = deliver::deliver(clock, &self.transport, self.retry, budget, active);
        let attempts = attempts.or(dropped);
        // A response that makes a library panic must not end the wrapper.
        if AssertUnwindSafe(attempts).catch_unwind().await.is_err() {
            let (id, target) = active.name();
            tracing::error!(
                id,
                target,
                "webhook delivery panicked; this is a bug in process-wrapper, please report it"
            );
            active.fail(&FailedAttempt {
                text: "the delivery panicked".to_owned(),
                reached: Reached::Lookup,
            });
        }
        let registry = active.registry.borrow();
        registry
            .delivery(active.slot)
            .is_some_and(|delivery| delivery.state == DeliveryState::Delivered)
    }
}

/// A unique id of 128 random bits.
pub(super) fn new_id() -> String {
    use std::fmt::Write;

    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // The id is unique but no secret, so a weaker source is enough.
        fastrand::fill(&mut bytes);
    }
    bytes.iter().fold("msg_".to_owned(), |mut id, byte| {
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}
