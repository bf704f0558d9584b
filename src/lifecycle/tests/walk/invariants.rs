//! What must hold of every single step of the machine, each in words beside its assertion.
//!
//! Owns the invariants; those of the time after the exit are in `owed` and `webhooks`. It never
//! predicts a whole step, which is what `model` does.

mod post_exit;
mod webhooks;

use std::time::Duration;

use super::super::super::{Action, Config, Input, Lifecycle, State};
use super::history::History;
use crate::signal::Signal;

/// One step of the machine and all that came before it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Duration,
    pub(super) input: &'a Input,
    pub(super) before: &'a Lifecycle,
    pub(super) after: &'a Lifecycle,
    pub(super) actions: &'a [Action],
    /// Before this step.
    pub(super) history: &'a History,
}

impl Step<'_> {
    pub(super) fn assert_all(&self) {
        self.states_move_forward();
        self.asking_is_recorded_before_it_is_sent();
        self.nothing_reaches_a_process_that_has_exited();
        self.received_signals_are_forwarded_as_they_came();
        self.what_we_originate_adds_no_term();
        self.requests_ask_once();
        self.nothing_is_killed_unless_somebody_said_when();
        self.deadlines_come_true_and_are_never_extended();
        self.a_stopped_process_is_continued();
        self.the_command_after_the_exit_runs_once_and_within_its_time();
        self.webhooks_are_delivered_once_each_and_after_all_else();
        self.the_wrapper_leaves_when_it_should_and_only_then();
    }

    /// The signals that this step sends, in order.
    fn sent(&self) -> Vec<Signal> {
        self.actions
            .iter()
            .filter_map(|action| match action {
                Action::SignalProcess(signal) => Some(*signal),
                Action::RunAfterExit
                | Action::SignalAfterExit(_)
                | Action::Deliver(_)
                | Action::Leave(_) => None,
            })
            .collect()
    }

    fn sends(&self, signal: Signal) -> bool {
        self.sent().contains(&signal)
    }

    /// What is forwarded for the received signal, if this step is about one and it is not ignored.
    fn forwarded(&self) -> Option<Signal> {
        match self.input {
            Input::Signal(received) => self.config.rewrites.apply(*received),
            Input::GracefulRequest(_)
            | Input::ForcefulRequest
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::TimePassed => None,
        }
    }

    fn is_received(&self) -> bool {
        matches!(self.input, Input::Signal(_))
    }

    fn alive(&self) -> bool {
        self.history.exit.is_none()
    }

    fn history_after(&self) -> History {
        let mut history = self.history.clone();
        history.record(self.config, self.now, self.input, self.actions);
        history
    }

    fn states_move_forward(&self) {
        assert!(
            self.before.state() <= self.after.state(),
            "the state only moves forward: {self:#?}"
        );
        let history = self.history_after();
        let expected = match (history.exit, history.requested) {
            (Some(_), _) => State::Gone,
            (None, true) => State::ShuttingDown,
            (None, false) => State::Running,
        };
        assert_eq!(
            self.after.state(),
            expected,
            "gone is exactly after the exit, shutting down exactly after somebody asked: {self:#?}"
        );
        assert_eq!(
            self.after.requested(),
            history.requested,
            "an exit is asked for if that happened while the process lived, and stays so: {self:#?}"
        );
        assert_eq!(
            self.after.exit(),
            history.exit,
            "the exit is the first one that was told, and stays: {self:#?}"
        );
    }

    fn asking_is_recorded_before_it_is_sent(&self) {
        let asks = [
            self.config.graceful_signal,
            Signal::TERM,
            Signal::INT,
            Signal::KILL,
        ];
        if self.sent().iter().any(|signal| asks.contains(signal)) {
            // The driver performs actions only after the machine has answered.
            assert_eq!(
                self.after.state(),
                State::ShuttingDown,
                "whoever is told of the signal can already read shutting_down: {self:#?}"
            );
        }
    }

    fn nothing_reaches_a_process_that_has_exited(&self) {
        if !self.alive() || matches!(self.input, Input::Exited(_)) {
            assert_eq!(
                self.sent(),
                [],
                "no signal is sent after the exit: {self:#?}"
            );
        }
        let can_matter =
            self.is_received() || self.history.runs_since.is_some() || self.is_about_a_webhook();
        if !self.alive() && !can_matter {
            assert_eq!(
                (self.before, self.actions),
                (self.after, [].as_slice()),
                "once nothing is owed, requests, time and further exits change nothing: {self:#?}"
            );
        }
    }

    fn received_signals_are_forwarded_as_they_came(&self) {
        if !self.is_received() {
            return;
        }
        let Some(signal) = self.forwarded() else {
            assert_eq!(
                (self.before, self.actions),
                (self.after, [].as_slice()),
                "a signal that is ignored is ignored entirely: {self:#?}"
            );
            return;
        };
        if self.alive() {
            let sent = self.sent();
            assert_eq!(
                sent.first(),
                Some(&signal),
                "while the process lives every signal is forwarded, each time: {self:#?}"
            );
            assert!(
                sent[1..].iter().all(|other| *other == Signal::CONT),
                "forwarding adds no signal but CONT: {self:#?}"
            );
        }
    }

    fn what_we_originate_adds_no_term(&self) {
        if self.is_received() {
            return;
        }
        let count = self
            .sent()
            .iter()
            .filter(|sent| **sent == Signal::TERM)
            .count();
        assert!(count <= 1, "a step never sends TERM twice: {self:#?}");
        if self.history.is_ending() {
            assert!(
                !self.sends(Signal::TERM) && !self.sends(Signal::INT),
                "what we originate never adds a TERM or INT after any TERM, INT or KILL: {self:#?}"
            );
        }
        if self.sends(Signal::TERM) {
            let due = self.history.force_at.is_some_and(|at| at <= self.now);
            let wanted = match self.input {
                Input::ForcefulRequest => true,
                Input::GracefulRequest(_) => self.config.graceful_signal == Signal::TERM,
                Input::TimePassed => due,
                Input::Signal(_)
                | Input::Exited(_)
                | Input::AfterExitEnded
                | Input::WebhookAccepted(_)
                | Input::WebhookEnded { .. } => false,
            };
            assert!(
                wanted,
                "TERM is sent only when it was asked for or is due: {self:#?}"
            );
        }
    }

    fn requests_ask_once(&self) {
        match self.input {
            Input::GracefulRequest(_) if self.alive() => {
                let expected = if self.history.asked || self.history.is_ending() {
                    // A second one is harmless to gitlab-runner and deadly to others.
                    None
                } else {
                    Some(&self.config.graceful_signal)
                };
                assert_eq!(
                    self.sent().first(),
                    expected,
                    "a request sends the graceful signal unless the process has it already: {self:#?}"
                );
            }
            Input::ForcefulRequest if self.alive() => assert_eq!(
                self.sends(Signal::TERM),
                !self.history.is_ending(),
                "a forceful request sends TERM unless the process is already ending: {self:#?}"
            ),
            Input::GracefulRequest(_)
            | Input::ForcefulRequest
            | Input::Signal(_)
            | Input::Exited(_)
            | Input::AfterExitEnded
            | Input::WebhookAccepted(_)
            | Input::WebhookEnded { .. }
            | Input::TimePassed => {}
        }
    }

    fn nothing_is_killed_unless_somebody_said_when(&self) {
        if self.sends(Signal::KILL) && !self.is_received() {
            assert!(
                !self.history.killed,
                "we originate KILL only once, and not after a forwarded one: {self:#?}"
            );
            let ended_at = self.history_after().ended_at;
            let due = match (ended_at, self.history.kill_after(self.config)) {
                (Some(ended_at), Some(after)) => ended_at.checked_add(after),
                (Some(_), None) | (None, _) => None,
            };
            assert!(
                due.is_some_and(|due| due <= self.now) && *self.input == Input::TimePassed,
                "KILL comes only when kill_after has passed since the first TERM or INT: {self:#?}"
            );
        }
    }

    fn deadlines_come_true_and_are_never_extended(&self) {
        let history = self.history_after();
        let open = history.exit.is_none() && !history.killed;
        let force_at = history
            .force_at
            .filter(|_| open && history.ended_at.is_none());
        assert_eq!(
            self.after.force_at(),
            force_at,
            "TERM is due at the earliest of all instants while none was sent: {self:#?}"
        );
        let kill_at = match (history.ended_at, history.kill_after(self.config)) {
            (Some(ended_at), Some(after)) if open => ended_at.checked_add(after),
            (Some(_), _) | (None, _) => None,
        };
        assert_eq!(
            self.after.kill_at(),
            kill_at,
            "KILL is due by the shortest of all times from the first TERM or INT: {self:#?}"
        );
        for (before, after) in [
            (self.before.force_at(), self.after.force_at()),
            (self.before.kill_at(), self.after.kill_at()),
        ] {
            if let (Some(before), Some(after)) = (before, after) {
                assert!(after <= before, "a deadline is never extended: {self:#?}");
            }
        }
        assert_eq!(
            self.after.next_timeout(),
            force_at.or(kill_at).or(self.owed_until(&history)),
            "the next timeout is the next deadline: {self:#?}"
        );
        if *self.input == Input::TimePassed {
            assert!(
                self.after.next_timeout().is_none_or(|at| at > self.now),
                "what is due is done, so that the driver's timer never spins: {self:#?}"
            );
            if self.before.next_timeout().is_none_or(|at| at > self.now) {
                assert_eq!(
                    (self.before, self.actions),
                    (self.after, [].as_slice()),
                    "time that passes before the next timeout is harmless: {self:#?}"
                );
            }
        }
    }

    fn a_stopped_process_is_continued(&self) {
        let received_stop = matches!(self.input, Input::Signal(signal) if signal.is_stop());
        let sent = self.sent();
        for (index, signal) in sent.iter().enumerate() {
            let asks = *signal == self.config.graceful_signal
                || matches!(*signal, Signal::TERM | Signal::INT)
                || (received_stop && index == 0);
            if asks && *signal != Signal::KILL {
                assert_eq!(
                    sent.get(index + 1),
                    Some(&Signal::CONT),
                    "a stopped process sees what it is asked only once it is continued: {self:#?}"
                );
            }
        }
    }
}
