//! What the driver may read from the state machine.
//!
//! Owns the public facts, each derived from the state of the machine. It never changes anything.

use std::time::Duration;

use crate::lifecycle::phase::{ExitInfo, Phase};
use crate::lifecycle::post_exit::PostExit;
use crate::lifecycle::stage::{Graceful, ShutdownProgress, Stage};
use crate::lifecycle::{Exit, Lifecycle, Outcome, State};
use crate::signal::Signal;

impl Lifecycle {
    /// When [`Input::TimePassed`](crate::lifecycle::Input::TimePassed) is wanted next, if ever.
    pub fn next_timeout(&self) -> Option<Duration> {
        match &self.phase {
            Phase::ShuttingDown(ShutdownProgress { stage, .. }) => {
                let ready_at = match stage {
                    Stage::Drain {
                        graceful: Graceful::AwaitsReady(_),
                        ..
                    } => self.config.ready_within,
                    Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. } => None,
                };
                let all = [self.force_at(), self.kill_at(), ready_at];
                all.into_iter().flatten().min()
            }
            Phase::Finishing(finishing) => finishing.work.next_timeout(),
            Phase::Running { .. } | Phase::Gone(_) | Phase::Left(_) => None,
        }
    }

    /// How far the process has come.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Running { .. } => State::Running,
            Phase::ShuttingDown(_) => State::ShuttingDown,
            Phase::Finishing(_) | Phase::Gone(_) | Phase::Left(_) => State::Gone,
        }
    }

    /// Whether the exit was asked for, or is being asked for.
    pub fn requested(&self) -> bool {
        match self.outcome() {
            Some(outcome) => outcome != Outcome::Unasked,
            None => self.state() == State::ShuttingDown,
        }
    }

    /// Whether the wrapper itself was told to stop, and leaves as soon as no work keeps it.
    pub fn is_told_to_stop(&self) -> bool {
        match &self.phase {
            Phase::Running { .. } | Phase::Gone(_) => false,
            Phase::ShuttingDown(shutdown) => shutdown.told_to_stop,
            Phase::Finishing(finishing) => finishing.told_to_stop,
            Phase::Left(_) => true,
        }
    }

    /// Whether a received signal has its own meaning: no `--rewrite-signal` replaces or ignores it.
    pub fn keeps(&self, received: Signal) -> bool {
        self.config.rewrites.apply(received) == Some(received)
    }

    /// Whether a webhook that is not known yet may still be accepted. A wrapper that was told to
    /// stop and only waits for deliveries takes no more, or it might never leave.
    pub fn accepts_webhooks(&self) -> bool {
        match &self.phase {
            Phase::Running { .. } | Phase::ShuttingDown(_) | Phase::Gone(_) => true,
            Phase::Finishing(finishing) => match finishing.work {
                PostExit::Command(_) => true,
                PostExit::Webhooks => !finishing.told_to_stop,
            },
            Phase::Left(_) => false,
        }
    }

    /// How the process ended, once it has.
    pub fn exit(&self) -> Option<Exit> {
        self.ended().map(|ended| ended.exit)
    }

    /// How its shutdown went, once it has ended.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended().map(|ended| ended.outcome)
    }

    /// When the abort stage begins by itself, if it does.
    pub fn force_at(&self) -> Option<Duration> {
        self.shutdown()?.force_at(&self.config)
    }

    /// When KILL will be sent, if it will; not known before the abort stage.
    pub fn kill_at(&self) -> Option<Duration> {
        self.shutdown()?.kill_at()
    }

    /// Whether the driver should report [`Input::Ready`](crate::lifecycle::Input::Ready): not once
    /// the process is ready, or past the stage in which that matters.
    pub fn wants_ready(&self) -> bool {
        match &self.phase {
            Phase::Running { ready } => !ready,
            Phase::ShuttingDown(shutdown) => match shutdown.stage {
                Stage::Drain {
                    graceful: Graceful::AwaitsReady(_),
                    ..
                } => true,
                Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. } => false,
            },
            Phase::Finishing(_) | Phase::Gone(_) | Phase::Left(_) => false,
        }
    }

    /// Whether a graceful signal waits until the process is ready.
    pub fn holds_signal(&self) -> bool {
        self.state() == State::ShuttingDown && self.wants_ready()
    }

    fn shutdown(&self) -> Option<ShutdownProgress> {
        match self.phase {
            Phase::ShuttingDown(shutdown) => Some(shutdown),
            Phase::Running { .. } | Phase::Finishing(_) | Phase::Gone(_) | Phase::Left(_) => None,
        }
    }

    fn ended(&self) -> Option<ExitInfo> {
        match self.phase {
            Phase::Finishing(finishing) => Some(finishing.ended),
            Phase::Gone(ended) | Phase::Left(ended) => Some(ended),
            Phase::Running { .. } | Phase::ShuttingDown(_) => None,
        }
    }
}
