//! What must hold after the exit: the command that runs then, and leaving.
//!
//! Owns these invariants. It never looks at signals to the process.

use std::time::Duration;

use super::super::super::super::{Action, ExitWhenGone, Input};
use super::super::history::History;
use super::Step;
use crate::signal::Signal;

/// Whether the command after the exit runs or a webhook is being delivered.
fn has_work(history: &History) -> bool {
    history.runs_since.is_some() || history.recovering || !history.under_way.is_empty()
}

impl Step<'_> {
    /// When the running command is to be signalled next.
    pub(super) fn work_until(&self, history: &History) -> Option<Duration> {
        let limits = self.config.after_exit?;
        let since = history.runs_since.filter(|_| !history.kill_sent)?;
        match history.term_sent_at {
            Some(term) => term.checked_add(limits.grace),
            None => since.checked_add(limits.timeout),
        }
    }

    /// Whether this step is about a stop signal that is not ignored.
    fn is_stopped(&self) -> bool {
        matches!(self.input, Input::Signal(signal) if signal.is_stop())
            && self.forwarded().is_some()
    }

    /// Whether the wrapper, while something is owed, is told to stop for another time.
    fn is_stopped_again(&self) -> bool {
        self.is_stopped() && self.history.told_to_stop && has_work(self.history)
    }

    pub(super) fn the_command_after_the_exit_runs_once_and_within_its_time(&self) {
        let exits = self.alive() && matches!(self.input, Input::Exited(_));
        let starts = self.actions.contains(&Action::RunAfterExit);
        assert_eq!(
            starts,
            exits && self.config.after_exit.is_some(),
            "it starts with the exit, which comes once, and at no other time: {self:#?}"
        );
        let sent: Vec<Signal> = self
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::SignalAfterExit(signal) => Some(*signal),
                Action::SendStageSignal { .. }
                | Action::ContinueProcess
                | Action::ForwardSignal(_)
                | Action::RunAfterExit
                | Action::Deliver(_)
                | Action::Leave(_) => None,
            })
            .collect();
        let due = |history: &History| self.work_until(history).is_some_and(|at| at <= self.now);
        let mut expected = Vec::new();
        if *self.input == Input::TimePassed {
            let mut history = self.history.clone();
            if history.term_sent_at.is_none() && due(&history) {
                expected.extend([Signal::TERM, Signal::CONT]);
                history.term_sent_at = Some(self.now);
            }
            if history.term_sent_at.is_some() && due(&history) {
                expected.push(Signal::KILL);
            }
        } else if self.is_stopped_again()
            && self.history.runs_since.is_some()
            && !self.history.kill_sent
        {
            expected.push(Signal::KILL);
        }
        assert_eq!(
            sent, expected,
            "a running command gets TERM when its time is over, KILL when its grace is or when nothing \
             waits for it any longer, and nothing else: {self:#?}"
        );
    }

    pub(super) fn the_wrapper_leaves_when_it_should_and_only_then(&self) {
        let leaves: Vec<_> = self
            .actions
            .iter()
            .filter(|action| matches!(action, Action::Leave(_)))
            .collect();
        let history = self.history_after();
        let by_itself = match self.config.exit_when_gone {
            ExitWhenGone::Never => false,
            ExitWhenGone::Unrequested => !history.requested(),
            ExitWhenGone::Always => true,
        };
        let settled = !has_work(&history);
        let due = history.exit.filter(|_| {
            // Once: a wrapper that leaves is not told again.
            !self.history.left
                && ((settled && (history.told_to_stop || by_itself)) || self.is_stopped_again())
        });
        assert_eq!(
            leaves,
            due.map(Action::Leave).iter().collect::<Vec<_>>(),
            "the wrapper leaves after the exit, with its status, once nothing is owed and it was told to \
             or exit_when_gone says so, or when it is told to stop again, and at no other time: {self:#?}"
        );
        assert!(
            leaves.is_empty() || matches!(self.actions.last(), Some(Action::Leave(_))),
            "leaving is the last action: {self:#?}"
        );
        if self.history.left {
            assert_eq!(
                (self.before, self.actions),
                (self.after, [].as_slice()),
                "nothing that comes after leaving changes it: {self:#?}"
            );
        }
    }
}
