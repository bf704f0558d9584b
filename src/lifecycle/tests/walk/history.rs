//! What has happened so far, kept beside the machine while it is walked.
//!
//! Owns facts only: which signals went to the process, when and by whom, and what was asked for. It
//! never looks into the machine: it learns from inputs and from the actions that the driver would
//! perform.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::super::{Action, Config, Exit, Input, Slot};
use crate::signal::Signal;

/// The facts that later assertions need, small enough that the walk ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// When the first TERM or INT went to the process, whoever wanted it.
    pub(super) ended_at: Option<Duration>,
    /// Whether a KILL went to the process.
    pub(super) killed: bool,
    /// Whether the graceful signal went to the process, whoever wanted it.
    pub(super) asked: bool,
    /// Whether the wrapper received a stop signal that is not ignored.
    pub(super) told_to_stop: bool,
    /// Whether anything made the exit asked for while the process lived.
    pub(super) requested: bool,
    /// The earliest instant that an option or a request named for TERM, if one did.
    pub(super) force_at: Option<Duration>,
    /// The shortest time from TERM to KILL that a request named, if one did.
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
    /// How the process ended, once it has.
    pub(super) exit: Option<Exit>,
    /// Whether the wrapper was told to leave.
    pub(super) left: bool,
}

impl History {
    /// Whether TERM, INT or KILL went to the process: after any of them we add nothing but KILL.
    pub(super) fn is_ending(&self) -> bool {
        self.ended_at.is_some() || self.killed
    }

    /// From the first TERM or INT to KILL, by the option and all requests.
    pub(super) fn kill_after(&self, config: &Config) -> Option<Duration> {
        shorter(self.kill_after, config.kill_after)
    }

    /// Adds what one step did.
    pub(super) fn record(
        &mut self,
        config: &Config,
        now: Duration,
        input: &Input,
        actions: &[Action],
    ) {
        let alive = self.exit.is_none();
        let requested_before = self.requested;
        match input {
            Input::GracefulRequest(deadlines) if alive => {
                self.requested = true;
                let at = deadlines
                    .force_after
                    .and_then(|after| now.checked_add(after));
                self.force_at = shorter(self.force_at, at);
                self.kill_after = shorter(self.kill_after, deadlines.kill_after);
            }
            Input::ForcefulRequest if alive => self.requested = true,
            Input::Signal(received) => {
                if received.is_stop() && config.rewrites.apply(*received).is_some() {
                    self.told_to_stop = true;
                    self.requested |= alive;
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
            Input::GracefulRequest(_)
            | Input::ForcefulRequest
            | Input::Exited(_)
            | Input::TimePassed => {}
        }
        for action in actions {
            match *action {
                Action::SignalProcess(signal) => {
                    if signal == config.graceful_signal {
                        self.asked = true;
                        self.requested = true;
                    }
                    if signal == Signal::TERM || signal == Signal::INT {
                        self.ended_at.get_or_insert(now);
                        self.requested = true;
                    }
                    if signal == Signal::KILL {
                        self.killed = true;
                        self.requested = true;
                    }
                }
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
                    self.runs_since = None;
                    self.term_sent_at = None;
                    self.kill_sent = false;
                }
            }
        }
        if self.requested && !requested_before {
            let at = config.force_after.and_then(|after| now.checked_add(after));
            self.force_at = shorter(self.force_at, at);
        }
        self.forget();
    }

    /// Drops what no later assertion asks about: with it the walk would visit the same states
    /// again.
    fn forget(&mut self) {
        if self.is_ending() {
            self.force_at = None;
        }
        if self.killed {
            self.kill_after = None;
        }
        if self.exit.is_some() {
            *self = Self {
                exit: self.exit,
                told_to_stop: self.told_to_stop,
                requested: self.requested,
                left: self.left,
                runs_since: self.runs_since,
                term_sent_at: self.term_sent_at,
                kill_sent: self.kill_sent,
                waiting: std::mem::take(&mut self.waiting),
                under_way: std::mem::take(&mut self.under_way),
                delivered: std::mem::take(&mut self.delivered),
                ..Self::default()
            };
        }
    }
}

/// The lesser of two, where `None` is never.
fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}
