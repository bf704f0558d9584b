//! The one place where the state changes.
//!
//! Owns how actions are performed, the record of it, and the children that are reaped meanwhile. It
//! never decides which actions there are.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use smol::future::yield_now;

use crate::lifecycle::{Action, Exit, Input, SignalCause, StageSignal, State, Transition};
use crate::process::child::SignalError;
use crate::process::reaper;
use crate::process::sentinel::Sentinel;
use crate::signal::Signal;
use crate::supervisor::facts::MAX_SIGNALS;
use crate::supervisor::post_exit_command::PostExitCommand;
use crate::supervisor::{Handle, Milestone, Supervised};

impl Handle {
    /// Takes an exit that the driver has not seen yet, so that a later input is not mistaken for
    /// its cause.
    pub(super) fn observe_exit(&self) {
        let exit = self.core.supervised.borrow_mut().child.try_exit();
        match exit {
            Ok(Some(exit)) => self.exited(exit),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the process cannot be waited for"),
        }
    }

    /// Records the exit. Takes the terminal back before anything says that the process is gone: a
    /// key then reaches the wrapper.
    pub(super) fn exited(&self, exit: Exit) {
        let mut terminal = self.core.terminal.borrow_mut();
        let key = terminal.as_mut().and_then(|t| t.process_gone(exit));
        drop(terminal);
        // A signal of our own ends it with the same status as a key.
        let key = key.filter(|_| !self.core.supervised.borrow().facts.requested);
        self.apply_or_log(Input::Exited(exit));
        // Again would mean that the wrapper gives up its webhooks.
        if let Some(key) = key.filter(|_| !self.is_told_to_stop()) {
            tracing::info!("{key} from the terminal ended the process and stops the wrapper");
            self.apply_or_log(Input::Signal(key));
        }
    }

    /// Applies an input whose refusal has no caller to tell; `apply` has logged and counted it.
    pub(super) fn apply_or_log(&self, input: Input) {
        let _logged = self.apply(input);
    }

    /// Hands one input to the lifecycle and performs the actions. If the kernel refuses the signal
    /// of a request, the request has changed nothing.
    pub(super) fn apply(&self, input: Input) -> Result<(), SignalError> {
        let mut result = Ok(());
        let before = self.last_milestone();
        let mut supervised = self.core.supervised.borrow_mut();
        let now = supervised.epoch.elapsed();
        // An input that follows from an action comes after the other actions.
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let was_held = supervised.lifecycle.holds_signal();
            let step = supervised.lifecycle.handle(now, input);
            let sent = supervised.send_stage_signal(&step);
            supervised.record();
            if supervised.lifecycle.holds_signal() && !was_held {
                let pid = supervised.facts.pid;
                tracing::info!(pid, "the graceful signal waits until the process is ready");
            }
            if sent.is_err() {
                result = sent;
                continue;
            }
            for action in step.actions {
                inputs.extend(self.perform(&mut supervised, action));
            }
        }
        supervised.deliveries.learn(&supervised.facts);
        drop(supervised);
        self.core.changed.notify(usize::MAX);
        let reached = self.last_milestone();
        if let Some(milestone) = reached.filter(|_| before < reached) {
            self.wake_waiters(milestone);
        }
        result
    }

    fn perform(&self, supervised: &mut Supervised, action: Action) -> Option<Input> {
        match action {
            Action::SendStageSignal { .. } => {}
            Action::ContinueProcess => {
                // The kernel permits CONT wherever it permits the signal before it, kill(2).
                let _sent = supervised.child.signal(Signal::CONT);
            }
            Action::ForwardSignal(signal) => {
                let _logged = supervised.send(signal, SignalCause::Forwarded);
            }
            Action::RunAfterExit => return self.run_after_exit(supervised),
            Action::SignalAfterExit(signal) => {
                if let Some(after_exit) = &mut supervised.after_exit
                    && let Err(error) = after_exit.signal(signal)
                {
                    tracing::error!(%error, "the command after the exit was not signalled");
                }
            }
            Action::Deliver(slot) => self.deliver(supervised, slot),
            Action::Leave(exit) => {
                supervised.deliveries.abandon();
                supervised.leaving = Some(exit);
            }
        }
        None
    }

    fn wake_waiters(&self, reached: Milestone) {
        if !self.core.waiters.wake_some(reached) {
            return;
        }
        let handle = self.clone();
        let rest = async move {
            yield_now().await;
            while handle.core.waiters.wake_some(reached) {
                yield_now().await;
            }
        };
        self.core.executor.spawn(rest).detach();
    }

    /// Reaps orphans that have exited; returns whether there may be more, so that the caller comes
    /// back soon.
    pub(super) fn reap(&self) -> bool {
        let mut supervised = self.core.supervised.borrow_mut();
        supervised.observe_sentinel();
        let reaped = reaper::reap_orphans(&supervised.waited_for());
        supervised.orphans_reaped += reaped.count;
        reaped.more
    }
}

impl Supervised {
    /// The processes with a waiter of their own, which the reaper must leave alone.
    fn waited_for(&self) -> Vec<i32> {
        let main = self.facts.exit.is_none().then_some(self.facts.pid);
        let after_exit = self.after_exit.as_ref().and_then(PostExitCommand::pid);
        let sentinel = self.sentinel.as_ref().map(Sentinel::pid);
        main.into_iter().chain(after_exit).chain(sentinel).collect()
    }

    fn observe_sentinel(&mut self) {
        let Some(sentinel) = &mut self.sentinel else {
            return;
        };
        match sentinel.try_exit() {
            Ok(None) => return,
            // It ends with the process, and may see that end earlier than the wrapper does.
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => tracing::warn!(
                %status,
                "the sentinel has died: the process will not be signalled if the wrapper dies"
            ),
            Err(error) => tracing::error!(%error, "the sentinel cannot be waited for"),
        }
        self.sentinel = None;
    }

    /// Sends the signal of the stage, if the step has one, and keeps it; a refusal is taken back
    /// from the lifecycle.
    fn send_stage_signal(&mut self, step: &Transition) -> Result<(), SignalError> {
        let Some(Action::SendStageSignal { signal, cause }) = step.actions.first().copied() else {
            return Ok(());
        };
        let sent = self.send(signal, cause);
        match sent {
            Ok(()) => {
                let signals = &mut self.facts.signals;
                if signals.len() == MAX_SIGNALS {
                    signals.remove(0);
                }
                signals.push(StageSignal {
                    signal,
                    sent_at: SystemTime::now(),
                    cause,
                });
                // After the time above, so that the reported times are spaced as well.
                self.lifecycle.sent(step, self.epoch.elapsed());
            }
            Err(_) => self.lifecycle.refused(step),
        }
        sent
    }

    fn send(&mut self, signal: Signal, cause: SignalCause) -> Result<(), SignalError> {
        let sent = self.child.signal(signal);
        let pid = self.facts.pid;
        let kind = (signal, cause);
        let cause = match cause {
            SignalCause::Deadline if signal == Signal::KILL => "--kill-after",
            SignalCause::Deadline => "--force-after",
            SignalCause::Request | SignalCause::Forwarded => cause.as_str(),
        };
        match &sent {
            Ok(()) => {
                *self.signals_sent.entry(kind).or_default() += 1;
                tracing::info!(pid, "sent {signal} to the process (cause: {cause})");
            }
            Err(error) => {
                self.facts.signals_refused += 1;
                tracing::error!(pid, "{error} (cause: {cause})");
            }
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
        facts.outcome = self.lifecycle.outcome();
        if facts.requested {
            facts.shutdown_requested_at.get_or_insert(now);
        }
        if let (Some(exit), Some(outcome)) = (facts.exit, facts.outcome) {
            facts.exited_at.get_or_insert(now);
            if before != State::Gone {
                tracing::info!(%exit, %outcome, pid = facts.pid, "the process is gone");
            }
        }
        let on_the_wall = |at: Duration| now.checked_add(at.saturating_sub(elapsed));
        facts.force_at = self.lifecycle.force_at().and_then(on_the_wall);
        facts.kill_at = self.lifecycle.kill_at().and_then(on_the_wall);
    }
}
