//! The events so far, kept beside the machine while it is walked.
//!
//! Owns facts only: which signals went to the process, when and why, and which requests there were.
//! It never looks into the machine: it learns from inputs and from the actions that the driver
//! would perform.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::super::{Action, Config, DrainRequest, Exit, Input, Slot};
use crate::signal::Signal;

/// The stages in their order, and the meanings of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rank {
    Drain,
    Abort,
    Kill,
}

/// A request to abort is one for an abort stage at once.
pub(super) const AT_ONCE: DrainRequest = DrainRequest {
    force_after: Some(Duration::ZERO),
    kill_after: None,
    repeat_signal: false,
};

/// The facts that later assertions need, small enough that the walk ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// The stage, from the first request, stop signal or signal of a stage on.
    pub(super) stage: Option<Rank>,
    /// When the last signal of the present stage went to the process.
    pub(super) last_sent: Option<Duration>,
    /// When the abort stage began, during that stage.
    pub(super) abort_since: Option<Duration>,
    /// The strongest signal that went to the process.
    pub(super) strongest: Option<Rank>,
    /// Whether the process became ready.
    pub(super) ready: bool,
    /// Whether the graceful signal waits until it is.
    pub(super) waits: bool,
    /// Whether the wrapper received a stop signal that is not ignored.
    pub(super) told_to_stop: bool,
    /// The earliest instant that an option or a request named for the abort stage, if one did.
    pub(super) force_at: Option<Duration>,
    /// The shortest time from the abort stage to KILL that a request named, if one did.
    pub(super) kill_after: Option<Duration>,
    /// When the command after the exit was started, while it runs.
    pub(super) runs_since: Option<Duration>,
    /// When TERM went to the running command.
    pub(super) term_sent_at: Option<Duration>,
    /// Whether KILL went to the running command.
    pub(super) kill_sent: bool,
    /// Webhooks that were accepted and not begun since.
    pub(super) waiting: BTreeSet<Slot>,
    /// Webhooks that are being delivered.
    pub(super) under_way: BTreeSet<Slot>,
    /// Webhooks that were delivered.
    pub(super) delivered: BTreeSet<Slot>,
    /// Whether webhooks of an earlier wrapper are being delivered.
    pub(super) recovering: bool,
    /// How the process ended, once it has.
    pub(super) exit: Option<Exit>,
    /// Whether the wrapper was told to leave.
    pub(super) left: bool,
}

/// What a signal that is forwarded for `received` means.
pub(super) fn meaning(config: &Config, received: Signal) -> Option<Rank> {
    let signal = config.rewrites.apply(received)?;
    let is_stop = signal.is_stop() || received.is_stop();
    if signal == Signal::KILL {
        Some(Rank::Kill)
    } else if signal == config.graceful_signal {
        Some(Rank::Drain)
    } else if is_stop || config.forceful_signal == Some(signal) {
        Some(Rank::Abort)
    } else {
        None
    }
}

impl History {
    /// Whether the exit was asked for while the process lived.
    pub(super) fn requested(&self) -> bool {
        self.stage.is_some()
    }

    /// When the abort stage begins by itself: not before the process can take another signal, and
    /// never where it would send none.
    pub(super) fn due(&self, config: &Config) -> Option<Duration> {
        let at = self.force_at?;
        if config.forceful_signal.is_none() {
            shorter(self.kill_after, config.kill_after)?;
        }
        match self.last_sent {
            Some(last) => Some(at.max(last.checked_add(config.spacing.forceful)?)),
            None => Some(at),
        }
    }

    /// Whether the abort stage is due.
    pub(super) fn is_due(&self, config: &Config, now: Duration) -> bool {
        self.stage == Some(Rank::Drain) && self.due(config).is_some_and(|at| at <= now)
    }

    /// When KILL is due.
    pub(super) fn kill_at(&self, config: &Config) -> Option<Duration> {
        let after = shorter(self.kill_after, config.kill_after)?;
        self.abort_since?.checked_add(after)
    }

    /// Whether the last signal of the stage is old enough to be repeated, or there is none.
    pub(super) fn may_repeat(&self, config: &Config, now: Duration) -> bool {
        let repeat = config.spacing.repeat;
        self.last_sent
            .is_none_or(|last| last.checked_add(repeat).is_some_and(|at| at <= now))
    }

    /// A request or a signal that belongs to a stage: the shutdown begins.
    fn ask(&mut self, config: &Config, now: Duration) {
        if self.stage.is_none() {
            self.stage = Some(Rank::Drain);
            let at = config.force_after.and_then(|after| now.checked_add(after));
            self.force_at = shorter(self.force_at, at);
            let within = config.ready_within;
            self.waits = !self.ready && within.is_some_and(|within| now < within);
        }
    }

    /// The history with the deadlines of a request.
    pub(super) fn asked_by(&self, config: &Config, now: Duration, request: DrainRequest) -> Self {
        let mut history = self.clone();
        history.ask(config, now);
        let at = request.force_after.and_then(|after| now.checked_add(after));
        history.force_at = shorter(history.force_at, at);
        history.kill_after = shorter(history.kill_after, request.kill_after);
        history
    }

    fn begin(&mut self, now: Duration, stage: Rank) {
        if self.stage < Some(stage) {
            self.stage = Some(stage);
            self.last_sent = None;
            self.force_at = None;
            self.waits = false;
            self.abort_since = (stage == Rank::Abort).then_some(now);
        }
    }

    /// A signal of this meaning went to the process or was refused.
    fn send(&mut self, now: Duration, rank: Rank, refused: bool) {
        self.begin(now, rank);
        self.waits = false;
        if !refused {
            if self.stage == Some(rank) {
                self.last_sent = Some(now);
            }
            self.strongest = self.strongest.max(Some(rank));
        }
    }

    /// Adds the events of one step. A request whose signal was refused has not happened.
    pub(super) fn record(
        &mut self,
        config: &Config,
        now: Duration,
        input: &Input,
        actions: &[Action],
        refused: bool,
    ) {
        let is_request = matches!(input, Input::DrainRequest(_) | Input::AbortRequest);
        if refused && is_request {
            return;
        }
        let alive = self.exit.is_none();
        let signal = actions.iter().find_map(sent);
        match input {
            Input::DrainRequest(request) if alive => {
                *self = self.asked_by(config, now, *request);
                if self.is_due(config, now) {
                    self.begin(now, Rank::Abort);
                }
                if let Some(signal) = signal {
                    let stage = self.stage.unwrap_or(Rank::Drain);
                    self.send(now, or_kill(stage, signal), refused);
                }
            }
            Input::AbortRequest if alive => {
                *self = self.asked_by(config, now, AT_ONCE);
                if self.is_due(config, now) {
                    self.begin(now, Rank::Abort);
                }
                if let Some(signal) = signal {
                    self.send(now, or_kill(Rank::Abort, signal), refused);
                }
            }
            Input::Signal(received) => {
                if received.is_stop() && config.rewrites.apply(*received).is_some() {
                    self.told_to_stop = true;
                }
                if let Some(rank) = meaning(config, *received)
                    && alive
                {
                    self.ask(config, now);
                    if signal.is_some() {
                        self.send(now, rank, refused);
                    }
                }
            }
            Input::Ready if alive => {
                self.ready = true;
                if let Some(signal) = signal {
                    self.send(now, or_kill(Rank::Drain, signal), refused);
                }
            }
            Input::TimePassed if alive => {
                let is_forced = self.is_due(config, now);
                if is_forced {
                    self.begin(now, Rank::Abort);
                }
                if let Some(signal) = signal {
                    let rank = match self.stage {
                        Some(Rank::Abort) if is_forced => or_kill(Rank::Abort, signal),
                        Some(Rank::Drain) | None => or_kill(Rank::Drain, signal),
                        Some(Rank::Abort | Rank::Kill) => Rank::Kill,
                    };
                    self.send(now, rank, refused);
                }
            }
            Input::Exited(exit) if alive => self.exit = Some(*exit),
            Input::AfterExitEnded => {
                self.runs_since = None;
                self.term_sent_at = None;
                self.kill_sent = false;
            }
            Input::WebhookAccepted(slot) => {
                let known = self.under_way.contains(slot) || self.delivered.contains(slot);
                if !known && !self.left {
                    self.waiting.insert(*slot);
                }
            }
            Input::WebhookEnded { slot, delivered } => {
                if self.under_way.remove(slot) && *delivered {
                    self.delivered.insert(*slot);
                }
            }
            Input::RecoveredDeliveries { under_way } => {
                self.recovering = *under_way && !self.left;
            }
            Input::DrainRequest(_)
            | Input::AbortRequest
            | Input::Ready
            | Input::Exited(_)
            | Input::TimePassed => {}
        }
        for action in actions {
            match *action {
                Action::SendStageSignal { .. }
                | Action::ContinueProcess
                | Action::ForwardSignal(_) => {}
                Action::RunAfterExit => self.runs_since = Some(now),
                Action::SignalAfterExit(Signal::TERM) => self.term_sent_at = Some(now),
                Action::SignalAfterExit(Signal::KILL) => self.kill_sent = true,
                Action::SignalAfterExit(_) => {}
                Action::Deliver(slot) => {
                    self.waiting.remove(&slot);
                    self.under_way.insert(slot);
                }
                Action::Leave(_) => {
                    self.left = true;
                    self.waiting.clear();
                    self.under_way.clear();
                    self.recovering = false;
                    self.runs_since = None;
                    self.term_sent_at = None;
                    self.kill_sent = false;
                }
            }
        }
        self.forget(config);
    }

    /// Drops what no later assertion asks about: with it the walk would visit the same states
    /// again.
    fn forget(&mut self, config: &Config) {
        // A process that never waits is ready, as one is after the drain stage.
        if config.ready_within.is_none() || self.stage > Some(Rank::Drain) || self.exit.is_some() {
            self.ready = false;
        }
        if self.stage == Some(Rank::Kill) {
            self.kill_after = None;
        }
        if self.exit.is_some() {
            self.last_sent = None;
            self.abort_since = None;
            self.waits = false;
            self.force_at = None;
            self.kill_after = None;
            // The outcome says the rest.
            self.stage = self.stage.map(|_| Rank::Drain);
        }
    }
}

/// The signal of a stage, if this action sends one.
pub(super) fn sent(action: &Action) -> Option<Signal> {
    if let Action::SendStageSignal { signal, .. } = action {
        Some(*signal)
    } else {
        None
    }
}

/// KILL belongs to its own stage, whichever option names it.
fn or_kill(rank: Rank, signal: Signal) -> Rank {
    if signal == Signal::KILL {
        Rank::Kill
    } else {
        rank
    }
}

/// The lesser of two, where `None` is never.
fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}
