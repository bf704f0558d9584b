//! What must hold of the signals of the drain, abort and kill stages.
//!
//! Owns these invariants. It never looks at the time after the exit.

use super::super::super::super::{Action, Input, SignalCause};
use super::{AT_ONCE, Rank, Step, meaning};
use crate::signal::Signal;

impl Step<'_> {
    pub(super) fn the_graceful_signal_is_sent_once_and_never_after_the_drain(&self) {
        let graceful = self.config.graceful_signal;
        let Some((signal, cause)) = self.sent() else {
            return;
        };
        // The same signal may be forceful, or forwarded for another reason.
        let other_meaning =
            self.config.forceful_signal == Some(graceful) || graceful == Signal::KILL;
        if signal != graceful || other_meaning {
            return;
        }
        assert!(
            self.history.stage.is_none_or(|stage| stage == Rank::Drain),
            "no graceful signal comes after the abort stage began, whatever asks for it: {self:#?}"
        );
        let repeats = matches!(self.input, Input::DrainRequest(request) if request.repeat_signal);
        assert!(
            self.history.last_sent.is_none() || repeats,
            "only a request to repeat it sends the graceful signal twice: {self:#?}"
        );
        assert_ne!(
            cause,
            SignalCause::Deadline,
            "no deadline sends the graceful signal: {self:#?}"
        );
    }

    pub(super) fn received_signals_are_forwarded_as_they_came(&self) {
        let Some(received) = self.received() else {
            return;
        };
        let Some(signal) = self.forwarded() else {
            assert_eq!(
                (self.before, self.actions),
                (self.after, [].as_slice()),
                "a signal that is ignored is ignored entirely: {self:#?}"
            );
            return;
        };
        if !self.alive() {
            return;
        }
        let expected = match meaning(self.config, received) {
            None => {
                assert_eq!(
                    self.actions,
                    [Action::ForwardSignal(signal)],
                    "a signal of no stage is forwarded each time, and adds no other: {self:#?}"
                );
                return;
            }
            Some(Rank::Abort | Rank::Kill) => true,
            Some(Rank::Drain) => {
                let drains = self.history.stage.is_none_or(|stage| stage == Rank::Drain);
                let waits = self.history_after().waits;
                drains && self.history.last_sent.is_none() && !waits
            }
        };
        assert_eq!(
            self.sent(),
            expected.then_some((signal, SignalCause::Forwarded)),
            "a signal of the abort or kill stage is forwarded each time, the graceful one only as \
             the first of its kind: {self:#?}"
        );
    }

    pub(super) fn requests_send_the_signal_of_the_stage_once(&self) {
        if !self.alive() || !self.is_request() {
            return;
        }
        let forceful = self.config.forceful_signal;
        let (again, history) = match self.input {
            Input::DrainRequest(request) => {
                let history = self.history.asked_by(self.config, self.now, *request);
                (request.repeat_signal, history)
            }
            Input::AbortRequest => {
                let history = self.history.asked_by(self.config, self.now, AT_ONCE);
                (history.stage == Some(Rank::Abort), history)
            }
            Input::Signal(_)
            | Input::Ready
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::RecoveredDeliveries { .. }
            | Input::TimePassed => return,
        };
        let begins_abort = history.is_due(self.config, self.now);
        let only_aborts = *self.input == Input::AbortRequest;
        let sends = match again {
            true => history.may_repeat(self.config, self.now),
            false => history.last_sent.is_none(),
        };
        let expected = match history.stage {
            Some(Rank::Drain) | None if begins_abort => forceful,
            Some(Rank::Drain) | None if history.waits || only_aborts => None,
            Some(Rank::Drain) | None => sends.then_some(self.config.graceful_signal),
            Some(Rank::Abort) => forceful.filter(|_| sends),
            Some(Rank::Kill) => sends.then_some(Signal::KILL),
        };
        assert_eq!(
            self.sent(),
            expected.map(|signal| (signal, SignalCause::Request)),
            "a request sends the signal of the present stage unless the process has it, or again \
             if it is to be repeated; one for the abort sends the forceful signal alone: {self:#?}"
        );
    }

    pub(super) fn a_request_that_would_end_nothing_is_known(&self) {
        let asked = match self.input {
            Input::AbortRequest => Some(AT_ONCE),
            Input::DrainRequest(request) => request.force_after.map(|_| *request),
            Input::Signal(_)
            | Input::Ready
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::RecoveredDeliveries { .. }
            | Input::TimePassed => None,
        };
        let kills = [self.config.kill_after, self.history.kill_after];
        let ends_nothing = asked.is_some_and(|asked| {
            let kills = kills.into_iter().chain([asked.kill_after]);
            self.config.forceful_signal.is_none() && kills.flatten().next().is_none()
        });
        let drains = self.history.stage.is_none_or(|stage| stage == Rank::Drain);
        assert_eq!(
            self.before.is_ineffective(self.input),
            ends_nothing && drains && self.alive(),
            "a request for an abort stage without a signal needs a time to KILL: {self:#?}"
        );
        let after = self.history_after();
        let begins = self.history.stage < after.stage && after.stage == Some(Rank::Abort);
        if begins && self.sent().is_none() && !self.refused {
            assert!(
                after.kill_after.or(self.config.kill_after).is_some(),
                "an abort stage begins without a signal only if KILL ends it: {self:#?}"
            );
        }
    }

    pub(super) fn signals_of_the_wrapper_are_spaced(&self) {
        let Some((_, SignalCause::Request | SignalCause::Deadline)) = self.sent() else {
            return;
        };
        let before = self.history.stage;
        let stage = self.history_after().stage;
        let Some(last) = self.history.last_sent else {
            return;
        };
        let spacing = match before == stage || self.refused {
            true => self.config.spacing.repeat.min(self.config.spacing.forceful),
            false if before == Some(Rank::Drain) => self.config.spacing.forceful,
            // KILL is never lost.
            false => return,
        };
        let earliest = last.checked_add(spacing);
        let held = self.before.held_until(self.now, self.input);
        assert!(
            earliest.is_some_and(|at| at <= self.now) || self.sent_kill(),
            "the process gets time to take the signal before: {self:#?}"
        );
        assert!(
            held.is_none() || self.sent_kill(),
            "a request that is not held can be answered: {self:#?}"
        );
    }

    fn sent_kill(&self) -> bool {
        self.sent()
            .is_some_and(|(signal, _)| signal == Signal::KILL)
    }

    pub(super) fn nothing_repeats_by_itself(&self) {
        if *self.input != Input::TimePassed {
            let deadline = self
                .sent()
                .is_some_and(|(_, cause)| cause == SignalCause::Deadline);
            assert!(!deadline, "only time makes a deadline due: {self:#?}");
            return;
        }
        let Some((signal, cause)) = self.sent() else {
            return;
        };
        let due = |at: Option<std::time::Duration>| at.is_some_and(|at| at <= self.now);
        if cause != SignalCause::Deadline {
            assert!(
                self.history.waits && due(self.config.ready_within),
                "time sends a graceful signal only if it waited long enough: {self:#?}"
            );
        } else if self.history.stage == Some(Rank::Drain) {
            let after = self.history_after();
            let kills =
                signal == Signal::KILL && due(after.kill_at(self.config).or(Some(self.now)));
            assert!(
                due(self.history.due(self.config))
                    && (self.config.forceful_signal == Some(signal) || kills),
                "the forceful signal comes when force_after has passed: {self:#?}"
            );
        } else {
            assert!(
                self.history.stage == Some(Rank::Abort)
                    && signal == Signal::KILL
                    && due(self.history.kill_at(self.config)),
                "KILL comes once, when kill_after has passed since the abort began: {self:#?}"
            );
        }
    }

    pub(super) fn a_stopped_process_is_continued(&self) {
        for (index, action) in self.actions.iter().enumerate() {
            if let Action::SendStageSignal { signal, .. } = action {
                assert_eq!(
                    self.actions.get(index + 1) == Some(&Action::ContinueProcess),
                    *signal != Signal::KILL,
                    "a stopped process sees a signal only once it is continued: {self:#?}"
                );
            }
        }
    }

    pub(super) fn a_process_that_is_not_ready_is_not_drained(&self) {
        let after = self.history_after();
        let starts = self.config.ready_within.is_some()
            && after.stage.is_none()
            && !after.ready
            && after.exit.is_none();
        assert_eq!(
            self.after.wants_ready(),
            starts || after.waits,
            "the driver asks for readiness while a graceful signal would wait for it: {self:#?}"
        );
        if *self.input == Input::Ready && self.alive() {
            assert_eq!(
                self.sent().is_some(),
                self.history.waits,
                "a graceful signal that waited is sent when the process is ready: {self:#?}"
            );
        }
        if self.history.waits && after.waits && !self.refused {
            assert_eq!(
                self.sent(),
                None,
                "while it waits, no signal of a stage is sent: {self:#?}"
            );
        }
    }
}
