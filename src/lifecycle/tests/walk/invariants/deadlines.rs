//! What must hold of deadlines: the earliest counts, and each comes true in time.
//!
//! Owns these invariants. It never says which signal a deadline sends.

use super::super::super::super::Input;
use super::{Rank, Step};

impl Step<'_> {
    pub(super) fn deadlines_come_true_and_are_never_extended(&self) {
        let history = self.history_after();
        let alive = history.exit.is_none();
        let drains = alive && history.stage == Some(Rank::Drain);
        let force_at = history.due(self.config).filter(|_| drains);
        assert_eq!(
            self.after.force_at(),
            force_at,
            "the abort stage is due at the earliest of all instants, or once the process can take \
             another signal: {self:#?}"
        );
        let kill_at = history.kill_at(self.config).filter(|_| alive);
        assert_eq!(
            self.after.kill_at(),
            kill_at,
            "KILL is due by the shortest of all times from the abort stage: {self:#?}"
        );
        if let (Some(before), Some(after)) = (self.before.kill_at(), self.after.kill_at()) {
            assert!(after <= before, "a deadline is never extended: {self:#?}");
        }
        if let (Some(before), Some(after)) = (self.before.force_at(), self.after.force_at()) {
            let spaced = history
                .last_sent
                .and_then(|last| last.checked_add(self.config.spacing.forceful));
            assert!(
                after <= before || Some(after) == spaced,
                "a deadline is extended by the spacing of signals only: {self:#?}"
            );
        }
        let ready_at = self.config.ready_within.filter(|_| history.waits);
        let all = [force_at, kill_at, ready_at, self.work_until(&history)];
        assert_eq!(
            self.after.next_timeout(),
            all.into_iter().flatten().min(),
            "the next timeout is the next deadline: {self:#?}"
        );
        if *self.input == Input::TimePassed {
            let is_done = self.after.next_timeout().is_none_or(|at| at > self.now);
            assert!(
                is_done || self.sent().is_some(),
                "each time a deadline has passed a stage begins, so that the timer never spins: \
                 {self:#?}"
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
}
