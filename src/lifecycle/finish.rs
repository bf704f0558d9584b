//! From the exit of the process until the wrapper leaves.
//!
//! Owns the order of the work after the exit, and when the wrapper leaves. It never looks at a
//! living process.

use std::time::Duration;

use crate::lifecycle::phase::{ExitInfo, Finishing, Phase};
use crate::lifecycle::post_exit::PostExit;
use crate::lifecycle::{Action, Exit, ExitWhenGone, Lifecycle, Outcome, Transition};
use crate::signal::Signal;

impl Lifecycle {
    /// The process has exited: its command runs, or its webhooks are due, or nothing is left to do.
    pub(super) fn finish(
        &mut self,
        now: Duration,
        exit: Exit,
        outcome: Outcome,
        told_to_stop: bool,
    ) -> Transition {
        let ended = ExitInfo { exit, outcome };
        match self.config.after_exit {
            Some(limits) => {
                self.phase = Phase::Finishing(Finishing {
                    ended,
                    work: PostExit::command(now, limits),
                    told_to_stop,
                });
                Transition::of(vec![Action::RunAfterExit])
            }
            None => self.deliver_webhooks(ended, told_to_stop),
        }
    }

    /// Every webhook that waits for the exit is due.
    pub(super) fn deliver_webhooks(&mut self, ended: ExitInfo, told_to_stop: bool) -> Transition {
        let actions = self.arm_webhooks();
        if !self.webhooks.are_armed() {
            return self.settle(ended, told_to_stop);
        }
        self.phase = Phase::Finishing(Finishing {
            ended,
            work: PostExit::Webhooks,
            told_to_stop,
        });
        Transition::of(actions)
    }

    pub(super) fn arm_webhooks(&mut self) -> Vec<Action> {
        let due = self.webhooks.arm();
        due.into_iter().map(Action::Deliver).collect()
    }

    /// The first stop signal lets the work end, the second one does not.
    pub(super) fn stop_while_finishing(&mut self, finishing: Finishing) -> Transition {
        if finishing.told_to_stop {
            let mut actions = finishing.work.abandon();
            actions.extend(self.leave(finishing.ended).actions);
            return Transition::of(actions);
        }
        self.phase = Phase::Finishing(Finishing {
            told_to_stop: true,
            ..finishing
        });
        Transition::nothing()
    }

    /// All work is done: the wrapper leaves, or stays until it is told to stop.
    pub(super) fn settle(&mut self, ended: ExitInfo, told_to_stop: bool) -> Transition {
        let by_itself = match self.config.exit_when_gone {
            ExitWhenGone::Never => false,
            ExitWhenGone::Unrequested => ended.outcome == Outcome::Unasked,
            ExitWhenGone::Always => true,
        };
        if by_itself || told_to_stop {
            return self.leave(ended);
        }
        self.phase = Phase::Gone(ended);
        Transition::nothing()
    }

    /// Whether this signal tells the wrapper to stop, which `X:0` prevents.
    pub(super) fn stops(&self, received: Signal) -> bool {
        received.is_stop() && self.config.rewrites.apply(received).is_some()
    }

    pub(super) fn leave(&mut self, ended: ExitInfo) -> Transition {
        self.phase = Phase::Left(ended);
        Transition::of(vec![Action::Leave(ended.exit)])
    }
}
