//! Requests to drain or abort the process.
//!
//! Owns their order of checks, signal and webhook, and how long they are held. It never validates a
//! message.

use std::time::SystemTime;

use smol::channel;
use smol::future::FutureExt;

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{DrainRequest, Input};
use crate::process::child::SignalError;
use crate::supervisor::report::report;
use crate::supervisor::{Handle, Milestone, ProcessFacts};
use crate::webhook::{Dispatcher, Prepared, RegisterError, WebhookRequest};

/// Why a request was not carried out. Nothing remains of it.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The kernel refused the signal.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The webhook was not accepted.
    #[error(transparent)]
    Webhook(#[from] RegisterError),
    /// The request asks for an abort that would never end the process.
    #[error(
        "the abort has no signal (--forceful-signal none) and no kill_after is known, so nothing \
         would end the process"
    )]
    Ineffective,
    /// There is no time left for another webhook.
    #[error("the wrapper was told to stop and only waits for its last deliveries")]
    Leaving,
}

impl Handle {
    /// Asks the process to drain. Idempotent, unless the request repeats a signal. A request for
    /// the abort stage right after the graceful signal is held until the forceful signal may be
    /// sent, see [`Spacing`](crate::lifecycle::Spacing); a caller that leaves meanwhile does not
    /// take the request back.
    ///
    /// # Errors
    /// The webhook was not accepted, the kernel refused the signal, or the request is for an abort
    /// that would never end the process; nothing has changed.
    pub async fn shut_down(
        &self,
        request: DrainRequest,
        webhook: Option<WebhookRequest>,
    ) -> Result<ProcessFacts, RequestError> {
        if let Some(webhook) = &webhook {
            self.check(webhook)?;
        }
        let input = Input::DrainRequest(request);
        let durable = self.core.supervised.borrow().deliveries.durable();
        match (webhook, durable) {
            (Some(webhook), Some(dispatcher)) => {
                self.shut_down_durably(input, webhook, dispatcher).await
            }
            (webhook, _) => {
                let webhook = webhook.map(Dispatcher::unkept);
                self.when_due(input, move |handle, input| {
                    handle.shut_down_now(input, webhook)
                })
                .await
            }
        }
    }

    /// Carries a request out once its webhook is on disk, in a task of its own. Nothing is
    /// signalled if the caller has left meanwhile: it has no answer, and will not expect a signal
    /// that a slow disk has delayed.
    async fn shut_down_durably(
        &self,
        input: Input,
        webhook: WebhookRequest,
        dispatcher: Dispatcher,
    ) -> Result<ProcessFacts, RequestError> {
        let (sender, receiver) = channel::bounded(1);
        let handle = self.clone();
        let report = report(&self.asked_facts());
        let writing = async move {
            let result = match dispatcher.prepare(webhook, report).await {
                Ok(prepared) if sender.is_closed() => {
                    dispatcher.withdraw(prepared);
                    return;
                }
                Ok(prepared) => {
                    handle.hold(&input).await;
                    handle.shut_down_now(input, Some(prepared))
                }
                Err(error) => Err(error.into()),
            };
            // A caller that has left gets no answer.
            let _unread = sender.try_send(result);
        };
        self.core.executor.spawn(writing).detach();
        match receiver.recv().await {
            Ok(result) => result,
            // The executor drops tasks only when the wrapper has left.
            Err(channel::RecvError) => Err(RequestError::Leaving),
        }
    }

    /// The facts as they are if the wrapper is killed right after it was asked for a shutdown.
    fn asked_facts(&self) -> ProcessFacts {
        let facts = self.core.supervised.borrow().facts.clone();
        match facts.exit {
            Some(_) => facts,
            None => ProcessFacts {
                requested: true,
                shutdown_requested_at: facts
                    .shutdown_requested_at
                    .or_else(|| Some(SystemTime::now())),
                ..facts
            },
        }
    }

    /// Asks the process to abort: the forceful signal is sent, or sent again if the last is old
    /// enough. Held as [`Handle::shut_down`].
    ///
    /// # Errors
    /// The kernel refused the signal, or the abort would never end the process; nothing has
    /// changed.
    pub async fn abort(&self) -> Result<ProcessFacts, RequestError> {
        self.when_due(Input::AbortRequest, |handle, input| {
            handle.shut_down_now(input, None)
        })
        .await
    }

    /// The process handles signals from now on.
    pub fn report_ready(&self) {
        self.observe_exit();
        self.apply_or_log(Input::Ready);
    }

    /// Carries a request out. One that is refused leaves no webhook behind.
    fn shut_down_now(
        &self,
        input: Input,
        webhook: Option<Prepared>,
    ) -> Result<ProcessFacts, RequestError> {
        let signalled = self.signal(input, webhook.as_ref().map(Prepared::webhook));
        let Some(webhook) = webhook else {
            return signalled.map(|()| self.facts());
        };
        let supervised = self.core.supervised.borrow();
        let slot = match signalled {
            // There is one thread: no other request can come between the check and this.
            Ok(()) => supervised.deliveries.register(webhook)?,
            Err(error) => {
                supervised.deliveries.withdraw(webhook);
                return Err(error);
            }
        };
        drop(supervised);
        self.apply(Input::WebhookAccepted(slot))?;
        Ok(self.facts())
    }

    fn signal(&self, input: Input, webhook: Option<&WebhookRequest>) -> Result<(), RequestError> {
        self.observe_exit();
        if let Some(webhook) = webhook {
            self.check(webhook)?;
        }
        let is_ineffective = {
            let supervised = self.core.supervised.borrow();
            supervised.lifecycle.is_ineffective(&input)
        };
        if is_ineffective {
            return Err(RequestError::Ineffective);
        }
        Ok(self.apply(input)?)
    }

    fn check(&self, webhook: &WebhookRequest) -> Result<(), RequestError> {
        let supervised = self.core.supervised.borrow();
        let accepts = supervised.lifecycle.accepts_webhooks();
        supervised.deliveries.check(webhook, accepts)
    }

    /// Carries a request out now or, in a task of its own, once the lifecycle no longer holds it.
    async fn when_due(
        &self,
        input: Input,
        carry_out: impl FnOnce(&Self, Input) -> Result<ProcessFacts, RequestError> + 'static,
    ) -> Result<ProcessFacts, RequestError> {
        if self.held_until(&input).is_none() {
            return carry_out(self, input);
        }
        let (sender, receiver) = channel::bounded(1);
        let handle = self.clone();
        let held = async move {
            handle.hold(&input).await;
            // A caller that has left gets no answer.
            let _unread = sender.try_send(carry_out(&handle, input));
        };
        self.core.executor.spawn(held).detach();
        match receiver.recv().await {
            Ok(result) => result,
            // The executor drops tasks only when the wrapper has left.
            Err(channel::RecvError) => Err(RequestError::Leaving),
        }
    }

    /// Completes once the lifecycle no longer holds the request.
    async fn hold(&self, input: &Input) {
        while let Some(until) = self.held_until(input) {
            let exit = self.reach(Milestone::Gone);
            MonotonicClock.sleep_until(until).or(exit).await;
        }
    }

    fn held_until(&self, input: &Input) -> Option<std::time::Instant> {
        let supervised = self.core.supervised.borrow();
        let now = supervised.epoch.elapsed();
        let until = supervised.lifecycle.held_until(now, input)?;
        supervised.instant(until)
    }
}
