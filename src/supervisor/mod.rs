//! The driver of the state machine: it turns exits, signals, requests and time into inputs, and
//! performs the actions.
//!
//! Owns the `Lifecycle`, the child and its timers, and is the only writer of the state; every other
//! module has a [`Handle`]. It never decides: `lifecycle` does.

mod apply;
mod deliveries;
mod drive;
mod facts;
mod milestones;
mod post_exit_command;
mod recovered;
mod report;
mod requests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use smol::LocalExecutor;

pub use drive::drive;
pub use facts::{AfterExitFacts, ProcessFacts};
pub use milestones::Milestone;
pub use requests::RequestError;

use deliveries::Deliveries;
use milestones::Waiters;
use post_exit_command::PostExitCommand;

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Config, Exit, Input, Lifecycle, SignalCause, State};
use crate::process::child::{Child, Program};
use crate::process::sentinel::Sentinel;
use crate::process::terminal::Terminal;
use crate::signal::Signal;
use crate::webhook::Dispatcher;

/// Reads the facts, waits for a state, asks for a shutdown. Clones refer to the same process.
#[derive(Debug, Clone)]
pub struct Handle {
    core: Rc<Core>,
}

#[derive(Debug)]
struct Core {
    supervised: RefCell<Supervised>,
    /// The controlling terminal, which the process may have.
    terminal: RefCell<Option<Terminal>>,
    /// Notified after every change, for the few tasks of the wrapper itself.
    changed: Event,
    /// For calls, of which there can be many.
    waiters: Waiters,
    /// Runs the work after the exit.
    executor: Rc<LocalExecutor<'static>>,
}

/// How many signals the wrapper has sent to the process, by signal and cause.
pub type SignalCounts = BTreeMap<(Signal, SignalCause), u64>;

#[derive(Debug)]
struct Supervised {
    lifecycle: Lifecycle,
    child: Child,
    facts: ProcessFacts,
    /// Lifecycle time counts from here.
    epoch: Instant,
    /// Set once the lifecycle has said so.
    leaving: Option<Exit>,
    after_exit: Option<PostExitCommand>,
    /// Until its exit has been seen.
    sentinel: Option<Sentinel>,
    orphans_reaped: u64,
    /// HUPs that the wrapper has received.
    hangups: u64,
    signals_sent: SignalCounts,
    deliveries: Deliveries,
    /// How many webhooks of an earlier wrapper are being delivered.
    recovered_under_way: usize,
}

/// A process that has just been spawned, and its attachments.
#[derive(Debug)]
pub struct Wrapped {
    /// The process.
    pub child: Child,
    /// Its program without arguments.
    pub program: String,
    /// The command that runs after its exit; there is one exactly if the configuration has limits
    /// for it.
    pub after_exit: Option<Program>,
    /// Signals the process if the wrapper dies.
    pub sentinel: Option<Sentinel>,
    /// The registered webhooks, and the registry for more.
    pub webhooks: Dispatcher,
}

impl Handle {
    /// Puts a process under supervision; the work after its exit runs on the executor.
    pub fn new(config: Config, wrapped: Wrapped, executor: Rc<LocalExecutor<'static>>) -> Self {
        let Wrapped {
            child,
            program,
            after_exit,
            sentinel,
            webhooks,
        } = wrapped;
        let facts = ProcessFacts {
            state: State::Running,
            pid: child.pid(),
            program,
            started_at: SystemTime::now(),
            shutdown_requested_at: None,
            exited_at: None,
            exit: None,
            requested: false,
            outcome: None,
            signals: Vec::new(),
            signals_refused: 0,
            force_at: None,
            kill_at: None,
            after_exit: after_exit.is_some().then_some(AfterExitFacts::Pending),
            webhooks: Vec::new(),
        };
        webhooks.started(&report::report(&facts));
        let mut lifecycle = Lifecycle::new(config);
        for slot in webhooks.slots() {
            let step = lifecycle.handle(Duration::ZERO, Input::WebhookAccepted(slot));
            debug_assert!(step.actions.is_empty(), "nothing is due before the exit");
        }
        let supervised = Supervised {
            lifecycle,
            child,
            facts,
            epoch: MonotonicClock.now(),
            leaving: None,
            after_exit: after_exit.map(PostExitCommand::new),
            sentinel,
            orphans_reaped: 0,
            hangups: 0,
            signals_sent: SignalCounts::new(),
            deliveries: Deliveries::new(webhooks),
            recovered_under_way: 0,
        };
        Self {
            core: Rc::new(Core {
                supervised: RefCell::new(supervised),
                terminal: RefCell::new(None),
                changed: Event::new(),
                waiters: Waiters::default(),
                executor,
            }),
        }
    }

    /// The facts now.
    pub fn facts(&self) -> ProcessFacts {
        let supervised = self.core.supervised.borrow();
        ProcessFacts {
            webhooks: supervised.deliveries.facts(),
            ..supervised.facts.clone()
        }
    }

    /// How far the process has come.
    pub fn state(&self) -> State {
        self.core.supervised.borrow().facts.state
    }

    /// Whether the wrapper is about to leave: it takes no more calls, and the running ones should
    /// end.
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

    /// Whether the wrapper itself was told to stop, other than the process over an API.
    pub fn is_told_to_stop(&self) -> bool {
        self.core.supervised.borrow().lifecycle.is_told_to_stop()
    }

    /// Whether a graceful signal would wait for [`Handle::report_ready`].
    pub fn wants_ready(&self) -> bool {
        self.core.supervised.borrow().lifecycle.wants_ready()
    }

    /// The facts, once `state` or a later one is reached. Dropping the future leaves nothing
    /// behind.
    pub async fn wait_until(&self, state: State) -> ProcessFacts {
        if let Some(milestone) = Milestone::of(state) {
            self.reach(milestone).await;
        }
        self.facts()
    }

    /// Completes once the milestone is reached. Dropping the future leaves nothing behind.
    pub async fn reach(&self, milestone: Milestone) {
        while self.last_milestone() < Some(milestone) {
            // Nothing changes between the check and this: there is one thread.
            self.core.waiters.listen(milestone).await;
        }
    }

    /// Completes once a milestone after `seen` is reached; at once after the last. Dropping the
    /// future leaves nothing behind.
    pub async fn reach_more(&self, seen: Option<Milestone>) {
        if let Some(milestone) = Milestone::after(seen) {
            self.reach(milestone).await;
        }
    }

    /// Calls `found` now and after each change, until it returns a value. Too expensive for calls,
    /// of which there can be many. Dropping the future leaves nothing behind.
    pub async fn when<T>(&self, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            // As above.
            self.core.changed.listen().await;
        }
    }

    /// How many orphans have been reaped so far.
    pub fn orphans_reaped(&self) -> u64 {
        self.core.supervised.borrow().orphans_reaped
    }

    /// How many HUPs the wrapper has received so far: requests of a service manager to reload.
    pub fn hangups(&self) -> u64 {
        self.core.supervised.borrow().hangups
    }

    /// How many signals the wrapper has sent to the process so far, forwarded ones included.
    pub fn signals_sent(&self) -> SignalCounts {
        self.core.supervised.borrow().signals_sent.clone()
    }

    fn next_timeout(&self) -> Option<Instant> {
        let supervised = self.core.supervised.borrow();
        let timeout = supervised.lifecycle.next_timeout()?;
        supervised.instant(timeout)
    }

    fn leaving(&self) -> Option<Exit> {
        self.core.supervised.borrow().leaving
    }
}

impl Supervised {
    /// Lifecycle time on the clock; beyond its range is never.
    fn instant(&self, at: Duration) -> Option<Instant> {
        self.epoch.checked_add(at)
    }
}
