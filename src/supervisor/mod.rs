//! The driver of the state machine: it turns exits, signals, requests and time into inputs, and performs
//! the actions.
//!
//! Owns the `Lifecycle`, the child and its timers, and is the only writer of the state; everyone else has a
//! [`Handle`]. It never decides: `lifecycle` does.

mod facts;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use smol::future::{self, FutureExt};

pub use facts::Facts;

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Action, Config, Deadlines, Exit, Input, Lifecycle, State};
use crate::process::child::{Child, SignalError};
use crate::process::reaper;
use crate::process::signals::Signals;
use crate::signal::Signal;

/// What everyone but the supervisor holds: reads the facts, waits for a state, asks for a shutdown.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    supervised: RefCell<Supervised>,
    /// Notified after every change of the state or of a deadline.
    changed: Event,
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
}

impl Handle {
    /// Puts a child that has just been spawned under supervision.
    pub fn new(config: Config, child: Child, program: String) -> Self {
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
        };
        let supervised = Supervised {
            lifecycle: Lifecycle::new(config),
            child,
            facts,
            epoch: MonotonicClock.now(),
            leaving: None,
        };
        Self {
            shared: Rc::new(Shared {
                supervised: RefCell::new(supervised),
                changed: Event::new(),
            }),
        }
    }

    /// The facts now.
    pub fn facts(&self) -> Facts {
        self.shared.supervised.borrow().facts.clone()
    }

    /// How far the process has come.
    pub fn state(&self) -> State {
        self.shared.supervised.borrow().facts.state
    }

    /// Whether the wrapper is about to leave: it takes no more calls, and those that run should end.
    pub fn is_leaving(&self) -> bool {
        self.leaving().is_some()
    }

    /// The facts, once `state` or a later one is reached. Dropping the future leaves nothing behind.
    pub async fn wait_until(&self, state: State) -> Facts {
        self.when(|handle| (handle.state() >= state).then(|| handle.facts()))
            .await
    }

    /// What `found` finds, once it finds something: it looks now and after each change. Dropping the future
    /// leaves nothing behind.
    pub async fn when<T>(&self, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            let changed = self.shared.changed.listen();
            // Looked at after listening: a change in between wakes us.
            if let Some(found) = found(self) {
                return found;
            }
            changed.await;
        }
    }

    /// Asks the process to drain. Recorded before anything is signalled; idempotent.
    ///
    /// # Errors
    /// The kernel refused the signal; the request stays recorded, its deadlines hold.
    pub fn graceful_shutdown(&self, deadlines: Deadlines) -> Result<Facts, SignalError> {
        self.observe_exit();
        self.apply(Input::GracefulRequest(deadlines))?;
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
        let mut supervised = self.shared.supervised.borrow_mut();
        let now = supervised.epoch.elapsed();
        let actions = supervised.lifecycle.handle(now, input);
        supervised.record();
        for action in actions {
            match action {
                Action::SignalProcess(signal) => {
                    let sent = supervised.child.signal(signal);
                    match &sent {
                        Ok(()) if signal == Signal::CONT => {}
                        Ok(()) => tracing::info!(%signal, pid = supervised.facts.pid, "signalled"),
                        Err(error) => tracing::error!(%error, "not signalled"),
                    }
                    result = result.and(sent);
                }
                Action::Leave(exit) => supervised.leaving = Some(exit),
            }
        }
        drop(supervised);
        self.shared.changed.notify(usize::MAX);
        result
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

/// What can happen to the driver.
enum Occurrence {
    Exited(std::io::Result<Exit>),
    Signal(Signal),
    ChildrenChanged,
    TimePassed,
    Changed,
}

/// Drives the process to its end and beyond, until the lifecycle says that the wrapper leaves.
///
/// Returns how the process ended.
pub async fn drive(handle: &Handle, signals: Signals) -> Exit {
    let (mut stop, mut other, mut children) = signals.split();
    let mut exited = Some(Box::pin(handle.shared.supervised.borrow_mut().child.exit()));
    let pid = handle.facts().pid;
    loop {
        if let Some(exit) = handle.leaving() {
            return exit;
        }
        let changed = handle.shared.changed.listen();
        let timeout = handle.next_timeout();
        let event = async {
            match &mut exited {
                Some(exited) => Occurrence::Exited(exited.await),
                None => future::pending().await,
            }
        }
        .or(async {
            match timeout {
                Some(at) => MonotonicClock.sleep_until(at).await,
                None => future::pending().await,
            }
            Occurrence::TimePassed
        })
        .or(async { Occurrence::Signal(stop.next().await) })
        .or(async {
            changed.await;
            Occurrence::Changed
        })
        .or(async {
            children.next().await;
            Occurrence::ChildrenChanged
        })
        .or(async { Occurrence::Signal(other.next().await) })
        .await;
        match event {
            Occurrence::Exited(result) => {
                exited = None;
                let exit = result.unwrap_or_else(|error| {
                    // Only a foreign wait can have taken it. Gone it is, and a stale `running` would be worse.
                    tracing::error!(%error, "the exit status of the process is lost");
                    Exit::Code(u8::MAX)
                });
                handle.apply_or_log(Input::Exited(exit));
                reaper::reap_orphans(&[]);
            }
            Occurrence::Signal(signal) => {
                if signal.is_stop() {
                    tracing::info!(%signal, "received");
                } else {
                    tracing::debug!(%signal, "received");
                }
                handle.observe_exit();
                handle.apply_or_log(Input::Signal(signal));
            }
            Occurrence::TimePassed => handle.apply_or_log(Input::TimePassed),
            Occurrence::ChildrenChanged => {
                let ours: &[i32] = if exited.is_some() { &[pid] } else { &[] };
                reaper::reap_orphans(ours);
            }
            Occurrence::Changed => {}
        }
        // A flood of signals must not keep the other tasks from running.
        future::yield_now().await;
    }
}
