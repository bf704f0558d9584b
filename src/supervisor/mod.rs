//! The driver of the state machine: it turns exits, signals, requests and time into inputs, and performs
//! the actions.
//!
//! Owns the `Lifecycle`, the child and its timers, and is the only writer of the state; everyone else has a
//! [`Handle`]. It never decides: `lifecycle` does.

mod after_exit;
mod deliveries;
mod drive;
mod facts;
mod milestones;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use smol::LocalExecutor;
use smol::future::yield_now;

pub use deliveries::RequestError;
pub use drive::drive;
pub use facts::{AfterExitFacts, Facts};
pub use milestones::Milestone;

use after_exit::AfterExit;
use deliveries::Deliveries;
use milestones::Waiters;

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Action, Config, Deadlines, Exit, Input, Lifecycle, State};
use crate::process::child::{Child, Program, SignalError};
use crate::process::reaper;
use crate::process::sentinel::Sentinel;
use crate::signal::Signal;
use crate::webhook::{Dispatcher, WebhookRequest};

/// What everyone but the supervisor holds: reads the facts, waits for a state, asks for a shutdown.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    supervised: RefCell<Supervised>,
    /// Notified after every change of the state or of a deadline: for the few that belong to the wrapper.
    changed: Event,
    /// For calls, of which there are as many as there are peers who want to know.
    waiters: Waiters,
    /// Runs what is owed after the exit.
    executor: Rc<LocalExecutor<'static>>,
}

#[derive(Debug)]
struct Supervised {
    lifecycle: Lifecycle,
    child: Child,
    facts: Facts,
    /// Lifecycle time counts from here.
    epoch: Instant,
    /// Set once the lifecycle has said so.
    leaving: Option<Exit>,
    after_exit: Option<AfterExit>,
    /// Until its exit has been seen.
    sentinel: Option<Sentinel>,
    orphans_reaped: u64,
    deliveries: Deliveries,
}

/// A process that has just been spawned, and what belongs to it.
#[derive(Debug)]
pub struct Wrapped {
    /// The process.
    pub child: Child,
    /// Its program without arguments.
    pub program: String,
    /// What runs once it is gone; there is one exactly if the configuration has limits for it.
    pub after_exit: Option<Program>,
    /// Who signals it if the wrapper dies.
    pub sentinel: Option<Sentinel>,
    /// Those that are registered, and the desk for more.
    pub webhooks: Dispatcher,
}

impl Handle {
    /// Puts a process under supervision; what is owed after its exit runs on the executor.
    pub fn new(config: Config, wrapped: Wrapped, executor: Rc<LocalExecutor<'static>>) -> Self {
        let Wrapped {
            child,
            program,
            after_exit,
            sentinel,
            webhooks,
        } = wrapped;
        let facts = Facts {
            state: State::Running,
            pid: child.pid(),
            program,
            started_at: SystemTime::now(),
            shutdown_requested_at: None,
            exited_at: None,
            exit: None,
            requested: false,
            force_at: None,
            kill_at: None,
            after_exit: after_exit.is_some().then_some(AfterExitFacts::Pending),
            webhooks: Vec::new(),
        };
        let mut lifecycle = Lifecycle::new(config);
        for slot in webhooks.slots() {
            // Nothing is due before the exit.
            lifecycle.handle(Duration::ZERO, Input::WebhookAccepted(slot));
        }
        let supervised = Supervised {
            lifecycle,
            child,
            facts,
            epoch: MonotonicClock.now(),
            leaving: None,
            after_exit: after_exit.map(AfterExit::new),
            sentinel,
            orphans_reaped: 0,
            deliveries: Deliveries::new(webhooks),
        };
        Self {
            shared: Rc::new(Shared {
                supervised: RefCell::new(supervised),
                changed: Event::new(),
                waiters: Waiters::default(),
                executor,
            }),
        }
    }

    /// The facts now.
    pub fn facts(&self) -> Facts {
        let supervised = self.shared.supervised.borrow();
        Facts {
            webhooks: supervised.deliveries.facts(),
            ..supervised.facts.clone()
        }
    }

    /// How far the process has come.
    pub fn state(&self) -> State {
        self.shared.supervised.borrow().facts.state
    }

    /// Whether the wrapper is about to leave: it takes no more calls, and those that run should end.
    pub fn is_leaving(&self) -> bool {
        self.leaving().is_some()
    }

    /// The last milestone that was reached, if there was one.
    pub fn last_milestone(&self) -> Option<Milestone> {
        match self.is_leaving() {
            true => Some(Milestone::Leaving),
            false => Milestone::of(self.state()),
        }
    }

    /// Whether the wrapper itself was told to stop, other than the process over the API.
    pub fn is_told_to_stop(&self) -> bool {
        self.shared.supervised.borrow().lifecycle.is_told_to_stop()
    }

    /// The facts, once `state` or a later one is reached. Dropping the future leaves nothing behind.
    pub async fn wait_until(&self, state: State) -> Facts {
        if let Some(milestone) = Milestone::of(state) {
            self.reach(milestone).await;
        }
        self.facts()
    }

    /// Completes once the milestone is reached. Dropping the future leaves nothing behind.
    pub async fn reach(&self, milestone: Milestone) {
        while self.last_milestone() < Some(milestone) {
            // Nothing can change between the look and this: there is one thread.
            self.shared.waiters.listen(milestone).await;
        }
    }

    /// Completes once more is reached than `seen`; at once after the last. Dropping the future leaves nothing behind.
    pub async fn reach_more(&self, seen: Option<Milestone>) {
        if let Some(milestone) = Milestone::after(seen) {
            self.reach(milestone).await;
        }
    }

    /// What `found` finds, once it finds something: it looks now and after each change, so it is nothing for
    /// calls, of which there can be many. Dropping the future leaves nothing behind.
    pub async fn when<T>(&self, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            // As above.
            self.shared.changed.listen().await;
        }
    }

    /// Asks the process to drain. The state and the webhook are recorded before anything is signalled;
    /// idempotent.
    ///
    /// # Errors
    /// The webhook was not taken, and nothing has changed; or the kernel refused the signal, and the request
    /// stays recorded, its webhook and its deadlines hold.
    pub fn graceful_shutdown(
        &self,
        deadlines: Deadlines,
        webhook: Option<WebhookRequest>,
    ) -> Result<Facts, RequestError> {
        self.observe_exit();
        if let Some(webhook) = webhook {
            let slot = self.shared.supervised.borrow().accept(webhook)?;
            self.apply(Input::WebhookAccepted(slot))?;
        }
        self.apply(Input::GracefulRequest(deadlines))?;
        Ok(self.facts())
    }

    /// Asks the process to stop now: TERM, unless TERM or INT was sent already. Idempotent.
    ///
    /// # Errors
    /// The kernel refused the signal; the request stays recorded, its deadlines hold.
    pub fn forceful_shutdown(&self) -> Result<Facts, SignalError> {
        self.observe_exit();
        self.apply(Input::ForcefulRequest)?;
        Ok(self.facts())
    }

    /// Takes an exit that the driver has not seen yet, so that what comes after it is not mistaken for
    /// its cause.
    fn observe_exit(&self) {
        let exit = self.shared.supervised.borrow_mut().child.try_exit();
        match exit {
            Ok(Some(exit)) => self.apply_or_log(Input::Exited(exit)),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the process cannot be waited for"),
        }
    }

    fn apply_or_log(&self, input: Input) {
        if let Err(error) = self.apply(input) {
            tracing::error!(%error, "a signal was not delivered");
        }
    }

    /// The one place where the state changes. All actions are performed; the first error is returned.
    fn apply(&self, input: Input) -> Result<(), SignalError> {
        let mut result = Ok(());
        let before = self.last_milestone();
        let mut supervised = self.shared.supervised.borrow_mut();
        let now = supervised.epoch.elapsed();
        // What an action leads to at once is taken after the actions before it.
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let actions = supervised.lifecycle.handle(now, input);
            supervised.record();
            for action in actions {
                match action {
                    Action::SignalProcess(signal) => {
                        let sent = supervised.signal(signal);
                        result = result.and(sent);
                    }
                    Action::RunAfterExit => inputs.extend(self.run_after_exit(&mut supervised)),
                    Action::SignalAfterExit(signal) => {
                        if let Some(after_exit) = &mut supervised.after_exit
                            && let Err(error) = after_exit.signal(signal)
                        {
                            tracing::error!(%error, "the command after the exit was not signalled");
                        }
                    }
                    Action::Deliver(slot) => self.deliver(&mut supervised, slot),
                    Action::Leave(exit) => {
                        supervised.deliveries.abandon();
                        supervised.leaving = Some(exit);
                    }
                }
            }
        }
        drop(supervised);
        self.shared.changed.notify(usize::MAX);
        let reached = self.last_milestone();
        if let Some(milestone) = reached.filter(|_| before < reached) {
            self.wake_waiters(milestone);
        }
        result
    }

    fn wake_waiters(&self, reached: Milestone) {
        if !self.shared.waiters.wake_some(reached) {
            return;
        }
        let handle = self.clone();
        let rest = async move {
            yield_now().await;
            while handle.shared.waiters.wake_some(reached) {
                yield_now().await;
            }
        };
        self.shared.executor.spawn(rest).detach();
    }

    /// How many orphans have been reaped so far.
    pub fn orphans_reaped(&self) -> u64 {
        self.shared.supervised.borrow().orphans_reaped
    }

    /// Reaps whoever has exited and is waited for by nobody else; whether it is to be called again soon.
    fn reap(&self) -> bool {
        let mut supervised = self.shared.supervised.borrow_mut();
        supervised.observe_sentinel();
        let reaped = reaper::reap_orphans(&supervised.waited_for());
        supervised.orphans_reaped += reaped.count;
        reaped.more
    }

    fn next_timeout(&self) -> Option<Instant> {
        let supervised = self.shared.supervised.borrow();
        let timeout = supervised.lifecycle.next_timeout()?;
        // Beyond the clock's range is never.
        supervised.epoch.checked_add(timeout)
    }

    fn leaving(&self) -> Option<Exit> {
        self.shared.supervised.borrow().leaving
    }
}

impl Supervised {
    /// The processes that somebody waits for, which the reaper must leave alone.
    fn waited_for(&self) -> Vec<i32> {
        let main = self.facts.exit.is_none().then_some(self.facts.pid);
        let after_exit = self.after_exit.as_ref().and_then(AfterExit::pid);
        let sentinel = self.sentinel.as_ref().map(Sentinel::pid);
        main.into_iter().chain(after_exit).chain(sentinel).collect()
    }

    fn observe_sentinel(&mut self) {
        let Some(sentinel) = &mut self.sentinel else {
            return;
        };
        match sentinel.try_exit() {
            Ok(None) => return,
            // It ends with the process, which it may see earlier than we do.
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => tracing::warn!(
                %status,
                "the sentinel has died: the process will not be signalled if the wrapper dies"
            ),
            Err(error) => tracing::error!(%error, "the sentinel cannot be waited for"),
        }
        self.sentinel = None;
    }

    fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        let sent = self.child.signal(signal);
        match &sent {
            Ok(()) if signal == Signal::CONT => {}
            Ok(()) => tracing::info!(%signal, pid = self.facts.pid, "signalled"),
            Err(error) => tracing::error!(%error, "not signalled"),
        }
        sent
    }

    /// Brings the facts up to the lifecycle.
    fn record(&mut self) {
        let now = SystemTime::now();
        let elapsed = self.epoch.elapsed();
        let facts = &mut self.facts;
        let before = facts.state;
        facts.state = self.lifecycle.state();
        facts.requested = self.lifecycle.requested();
        facts.exit = self.lifecycle.exit();
        if facts.requested {
            facts.shutdown_requested_at.get_or_insert(now);
        }
        if let Some(exit) = facts.exit {
            facts.exited_at.get_or_insert(now);
            if before != State::Gone {
                tracing::info!(%exit, requested = facts.requested, pid = facts.pid, "the process is gone");
            }
        }
        let on_the_wall = |at: Duration| now.checked_add(at.saturating_sub(elapsed));
        facts.force_at = self.lifecycle.force_at().and_then(on_the_wall);
        facts.kill_at = self.lifecycle.kill_at().and_then(on_the_wall);
    }
}
