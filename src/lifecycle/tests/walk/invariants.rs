//! What must hold of every single step of the machine, each in words beside its assertion.
//!
//! Owns the invariants of every step; those of signals are in `stages`, those of the time after the
//! exit in `post_exit` and `webhooks`. It never predicts a whole step, which is what `model` does.

mod deadlines;
mod post_exit;
mod stages;
mod webhooks;

use std::time::Duration;

use super::super::super::{Action, Config, Exit, Input, Lifecycle, Outcome, SignalCause, State};
use super::history::{AT_ONCE, History, Rank, meaning, sent};
use crate::signal::Signal;

/// One step of the machine and everything before it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Duration,
    pub(super) input: &'a Input,
    pub(super) before: &'a Lifecycle,
    pub(super) after: &'a Lifecycle,
    pub(super) actions: &'a [Action],
    /// Whether the kernel refused the signal of the stage.
    pub(super) refused: bool,
    /// Before this step.
    pub(super) history: &'a History,
}

impl Step<'_> {
    pub(super) fn assert_all(&self) {
        self.states_move_forward();
        self.nothing_reaches_a_process_that_has_exited();
        self.a_refused_request_leaves_nothing_behind();
        self.the_graceful_signal_is_sent_once_and_never_after_the_drain();
        self.received_signals_are_forwarded_as_they_came();
        self.requests_send_the_signal_of_the_stage_once();
        self.signals_of_the_wrapper_are_spaced();
        self.a_request_that_would_end_nothing_is_known();
        self.nothing_repeats_by_itself();
        self.a_stopped_process_is_continued();
        self.a_process_that_is_not_ready_is_not_drained();
        self.deadlines_come_true_and_are_never_extended();
        self.the_command_after_the_exit_runs_once_and_within_its_time();
        self.webhooks_are_delivered_once_each_and_after_all_else();
        self.the_wrapper_leaves_when_it_should_and_only_then();
    }

    /// The signal of a stage that this step sends, and why.
    fn sent(&self) -> Option<(Signal, SignalCause)> {
        self.actions.iter().find_map(|action| {
            if let Action::SendStageSignal { signal, cause } = action {
                Some((*signal, *cause))
            } else {
                None
            }
        })
    }

    /// What is forwarded for the received signal, if this step is about one and it is not ignored.
    fn forwarded(&self) -> Option<Signal> {
        self.received()
            .and_then(|received| self.config.rewrites.apply(received))
    }

    fn received(&self) -> Option<Signal> {
        if let Input::Signal(received) = self.input {
            Some(*received)
        } else {
            None
        }
    }

    fn is_request(&self) -> bool {
        matches!(self.input, Input::DrainRequest(_) | Input::AbortRequest)
    }

    fn alive(&self) -> bool {
        self.history.exit.is_none()
    }

    fn history_after(&self) -> History {
        let mut history = self.history.clone();
        history.record(
            self.config,
            self.now,
            self.input,
            self.actions,
            self.refused,
        );
        history
    }

    fn states_move_forward(&self) {
        assert!(
            self.before.state() <= self.after.state(),
            "the state only moves forward: {self:#?}"
        );
        let history = self.history_after();
        let expected = match (history.exit, history.requested()) {
            (Some(_), _) => State::Gone,
            (None, true) => State::ShuttingDown,
            (None, false) => State::Running,
        };
        assert_eq!(
            self.after.state(),
            expected,
            "gone is exactly after the exit, shutting down exactly after a request or a signal of a \
             stage, before that signal is sent: {self:#?}"
        );
        assert_eq!(
            self.after.requested(),
            history.requested(),
            "an exit is asked for if that happened while the process lived, and stays so: {self:#?}"
        );
        assert_eq!(
            self.after.exit(),
            history.exit,
            "the exit is the first one that was reported, and stays: {self:#?}"
        );
        let outcome = history.exit.map(|exit| match history.strongest {
            _ if !history.requested() => Outcome::Unasked,
            Some(Rank::Kill) => Outcome::Killed,
            Some(Rank::Abort) => Outcome::Aborted,
            Some(Rank::Drain) | None if exit == Exit::Code(0) => Outcome::Drained,
            Some(Rank::Drain) | None => Outcome::Failed,
        });
        assert_eq!(
            self.after.outcome(),
            outcome,
            "the outcome is that of the strongest signal that went to the process: {self:#?}"
        );
    }

    fn nothing_reaches_a_process_that_has_exited(&self) {
        if !self.alive() || matches!(self.input, Input::Exited(_)) {
            let signals = self.actions.iter().filter(|action| match action {
                Action::SendStageSignal { .. }
                | Action::ContinueProcess
                | Action::ForwardSignal(_) => true,
                Action::RunAfterExit
                | Action::SignalAfterExit(_)
                | Action::Deliver(_)
                | Action::Leave(_) => false,
            });
            assert_eq!(
                signals.count(),
                0,
                "no signal is sent after the exit: {self:#?}"
            );
        }
        let can_matter = self.received().is_some()
            || self.history.runs_since.is_some()
            || self.is_about_a_webhook();
        if !self.alive() && !can_matter {
            assert_eq!(
                (self.before, self.actions),
                (self.after, [].as_slice()),
                "once all work is done, requests, time and further exits change nothing: {self:#?}"
            );
        }
    }

    fn a_refused_request_leaves_nothing_behind(&self) {
        if self.refused && self.is_request() {
            assert_eq!(
                self.before, self.after,
                "no state, no deadline, no stage remains of a refused request: {self:#?}"
            );
        }
        let index = self
            .actions
            .iter()
            .position(|action| sent(action).is_some());
        assert!(
            index.is_none_or(|index| index == 0),
            "the signal of a stage comes first, so that its refusal undoes no other action: \
             {self:#?}"
        );
    }
}
