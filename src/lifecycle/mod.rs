//! The state machine of one wrapped process: from `running` to `gone`, and until the wrapper
//! leaves.
//!
//! Owns every decision about signals, deadlines and leaving. It never performs one:
//! [`Lifecycle::handle`] answers with actions. Time is an argument: the duration since the start on
//! a clock that does not jump.
//!
//! ```text
//!                 ┌─────────┐
//!                 │ Running │──────────────────────── exit ───────────────────────┐
//!                 └────┬────┘                                                     │
//!   request to drain,  │  request to abort,                                       │
//!   graceful signal    │  other stop signal                  X:KILL               │
//!           ┌──────────┴──────────┬─────────────────────────────┐                 │
//!           ▼                     ▼                             ▼                 │
//!  ShuttingDown            ShuttingDown                  ShuttingDown             │
//!   ┌────────────┐          ┌────────────┐                ┌────────────┐          │
//!   │   Drain    │─────────▶│   Abort    │───────────────▶│    Kill    │          │
//!   │ (graceful) │ force_   │ (forceful) │ kill_after     │   (KILL)   │          │
//!   └─────┬──────┘ after    └─────┬──────┘                └─────┬──────┘          │
//!         └───────────────────────┴──────── exit ───────────────┴─────────────────┤
//!                                                                                 ▼
//!                 ┌──────┐   told to stop    ┌──────┐   all work is done   ┌───────────┐
//!                 │ Left │◀──────────────────│ Gone │◀─────────────────────│ Finishing │
//!                 └──────┘                   └──────┘                      └───────────┘
//!                     ▲            told to stop twice, or exit_when_gone         │
//!                     └──────────────────────────────────────────────────────────┘
//! ```
//!
//! The invariants, each asserted by the tests beside this file:
//!
//! - The state only moves forward: running, shutting down, gone. So do the stages: drain, abort,
//!   kill.
//! - No signal is sent after the exit.
//! - The graceful signal is sent at most once, whatever asks for it, and never after the abort
//!   stage began. Only a request with `repeat_signal` repeats it.
//! - Deadlines and requests send the signal of a stage once; deadlines are never extended beyond
//!   the spacing of signals.
//! - A request whose signal the kernel refuses leaves nothing behind; a refused deadline still
//!   leads to the next stage.
//! - The command after the exit runs once, after the exit, and ends or is ended.
//! - An accepted webhook is due once, after the exit and the command, also when it is accepted
//!   later; it is due again only if it is accepted again after it failed.
//! - Deliveries for an earlier wrapper keep this one as its own do, and begin at any time.
//! - The wrapper leaves only after the exit, and only when it was told to or `exit_when_gone` says
//!   so. It leaves before the work after the exit is done only when it is told to stop again.

mod config;
mod exit;
mod finish;
mod outcome;
mod phase;
mod post_exit;
mod queries;
mod rewrite;
mod send;
mod stage;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod transition;
mod webhooks;

use std::time::Duration;

pub use config::{AfterExitLimits, Config, ExitWhenGone, Spacing};
pub use exit::Exit;
pub use outcome::{Outcome, StageSignal, UnknownOutcome};
pub use rewrite::{Rewrite, Rewrites, contradiction};
pub use state::UnknownState;
pub use step::{Action, DrainRequest, Input, SignalCause};
pub use transition::Transition;
pub use webhooks::{MAX_WEBHOOKS, Slot};

use phase::{Finishing, Phase};
use post_exit::PostExit;
use stage::ShutdownProgress;
use webhooks::Webhooks;

/// How far the process has come; the order is that in which the states are passed.
///
/// ```
/// use process_wrapper::client::State;
///
/// assert!(State::Running < State::Gone);
/// assert_eq!("gone".parse(), Ok(State::Gone));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is alive and was not asked to stop.
    Running,
    /// It is alive and was asked to stop.
    ShuttingDown,
    /// It has exited and has been reaped.
    Gone,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    config: Config,
    phase: Phase,
    webhooks: Webhooks,
}

impl Lifecycle {
    /// The machine of a process that has just been spawned.
    pub fn new(config: Config) -> Self {
        let ready = config.ready_within.is_none();
        Self {
            config,
            phase: Phase::Running { ready },
            webhooks: Webhooks::default(),
        }
    }

    /// Takes one input at one time. The machine counts the signal among the actions as sent now.
    /// Before the next input the driver corrects that with [`Lifecycle::sent`] or
    /// [`Lifecycle::refused`].
    pub fn handle(&mut self, now: Duration, input: Input) -> Transition {
        match (self.phase, input) {
            (Phase::Running { ready }, Input::DrainRequest(request)) => {
                let shutdown = self.begin(now, ready, SignalCause::Request);
                self.drain(now, shutdown, request)
            }
            (Phase::ShuttingDown(shutdown), Input::DrainRequest(request)) => {
                self.drain(now, shutdown, request)
            }
            (Phase::Running { ready }, Input::AbortRequest) => {
                let shutdown = self.begin(now, ready, SignalCause::Request);
                self.abort(now, shutdown)
            }
            (Phase::ShuttingDown(shutdown), Input::AbortRequest) => self.abort(now, shutdown),
            (Phase::Running { .. } | Phase::ShuttingDown(_), Input::Signal(received)) => {
                match self.config.rewrites.apply(received) {
                    Some(signal) => self.forward(now, signal, received),
                    None => Transition::nothing(),
                }
            }
            (Phase::Running { .. }, Input::Ready) => {
                self.phase = Phase::Running { ready: true };
                Transition::nothing()
            }
            (Phase::ShuttingDown(shutdown), Input::Ready) => self.become_ready(now, shutdown),
            (Phase::Running { .. }, Input::Exited(exit)) => {
                self.finish(now, exit, Outcome::Unasked, false)
            }
            (Phase::ShuttingDown(shutdown), Input::Exited(exit)) => {
                self.finish(now, exit, shutdown.outcome(exit), shutdown.told_to_stop)
            }
            (Phase::ShuttingDown(shutdown), Input::TimePassed) => self.expire(now, shutdown),
            (Phase::Finishing(finishing), Input::Signal(received)) if self.stops(received) => {
                self.stop_while_finishing(finishing)
            }
            (Phase::Finishing(mut finishing), Input::TimePassed) => {
                let actions = finishing.work.expire(now, self.config.after_exit);
                self.phase = Phase::Finishing(finishing);
                Transition::of(actions)
            }
            (Phase::Finishing(finishing), Input::AfterExitEnded) => match finishing.work {
                PostExit::Command(_) => {
                    self.deliver_webhooks(finishing.ended, finishing.told_to_stop)
                }
                PostExit::Webhooks => Transition::nothing(),
            },
            (Phase::Running { .. } | Phase::ShuttingDown(_), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                Transition::nothing()
            }
            (Phase::Finishing(finishing), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                match finishing.work {
                    PostExit::Command(_) => Transition::nothing(),
                    PostExit::Webhooks => Transition::of(self.arm_webhooks()),
                }
            }
            (Phase::Gone(ended), Input::WebhookAccepted(slot)) => {
                self.webhooks.wait(slot);
                let actions = self.arm_webhooks();
                if !actions.is_empty() {
                    self.phase = Phase::Finishing(Finishing {
                        ended,
                        work: PostExit::Webhooks,
                        told_to_stop: false,
                    });
                }
                Transition::of(actions)
            }
            (Phase::Finishing(finishing), Input::WebhookEnded { slot, delivered }) => {
                self.webhooks.end(slot, delivered);
                match finishing.work {
                    PostExit::Webhooks if !self.webhooks.are_armed() => {
                        self.settle(finishing.ended, finishing.told_to_stop)
                    }
                    PostExit::Webhooks | PostExit::Command(_) => Transition::nothing(),
                }
            }
            (
                Phase::Running { .. } | Phase::ShuttingDown(_),
                Input::RecoveredDeliveries { under_way },
            ) => {
                self.webhooks.set_recovered(under_way);
                Transition::nothing()
            }
            (Phase::Finishing(finishing), Input::RecoveredDeliveries { under_way }) => {
                self.webhooks.set_recovered(under_way);
                match finishing.work {
                    PostExit::Webhooks if !self.webhooks.are_armed() => {
                        self.settle(finishing.ended, finishing.told_to_stop)
                    }
                    PostExit::Webhooks | PostExit::Command(_) => Transition::nothing(),
                }
            }
            (Phase::Gone(ended), Input::RecoveredDeliveries { under_way }) => {
                self.webhooks.set_recovered(under_way);
                if under_way {
                    self.phase = Phase::Finishing(Finishing {
                        ended,
                        work: PostExit::Webhooks,
                        told_to_stop: false,
                    });
                }
                Transition::nothing()
            }
            (Phase::Gone(ended), Input::Signal(received)) if self.stops(received) => {
                self.leave(ended)
            }
            // A process has no deadlines before it is asked to stop. It exits once, and takes no
            // request after that. The work after the exit ends neither before the exit nor twice. A
            // wrapper that leaves takes no webhook, as `accepts_webhooks` says.
            (
                Phase::Running { .. },
                Input::TimePassed | Input::AfterExitEnded | Input::WebhookEnded { .. },
            )
            | (Phase::ShuttingDown(_), Input::AfterExitEnded | Input::WebhookEnded { .. })
            | (
                Phase::Finishing(_),
                Input::DrainRequest(_)
                | Input::AbortRequest
                | Input::Signal(_)
                | Input::Ready
                | Input::Exited(_),
            )
            | (
                Phase::Gone(_) | Phase::Left(_),
                Input::DrainRequest(_)
                | Input::AbortRequest
                | Input::Signal(_)
                | Input::Ready
                | Input::Exited(_)
                | Input::AfterExitEnded
                | Input::WebhookEnded { .. }
                | Input::TimePassed,
            )
            | (Phase::Left(_), Input::WebhookAccepted(_) | Input::RecoveredDeliveries { .. }) => {
                Transition::nothing()
            }
        }
    }

    /// The kernel has taken the signal of this step at this time. A wrapper that stood still after
    /// the step sends the signal late: the spacing of signals and `kill_after` count from here.
    pub fn sent(&mut self, step: &Transition, at: Duration) {
        if let Some((shutdown, meaning)) = step.sends {
            let stage = shutdown.stage.sent(at, meaning);
            self.phase = Phase::ShuttingDown(ShutdownProgress { stage, ..shutdown });
        }
    }

    /// The kernel has refused the signal of the stage that this step sends, and the driver has
    /// performed none of its actions. Nothing remains of a request; a deadline or a received signal
    /// begins the stage without it.
    pub fn refused(&mut self, step: &Transition) {
        if let Some(phase) = step.if_refused {
            self.phase = phase;
        }
    }
}
