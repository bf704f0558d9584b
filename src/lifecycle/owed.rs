//! What is owed once the process is gone: the command that runs after its exit, then the webhooks.
//!
//! Owns how far that command has come and when it is ended. It never starts or signals one; it answers
//! with actions as the machine above does, and never knows why the wrapper would leave.

use std::time::Duration;

use crate::lifecycle::{Action, AfterExit};
use crate::signal::Signal;

/// What has to end before the wrapper may leave on its own account, in the order in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Debt {
    /// The command that runs after the exit; it runs before anything else that is owed.
    AfterExit(Stage),
    /// The webhooks that are being delivered; each sees to its own time.
    Webhooks,
}

/// How far the command has come. An instant beyond the clock's range is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It runs, until TERM at this time.
    Running { end_at: Option<Duration> },
    /// It ran out of time and TERM was sent; KILL comes at this time.
    Terminating { kill_at: Option<Duration> },
    /// KILL was sent: there is nothing more to do than to wait.
    Killed,
}

impl Debt {
    /// The command starts now.
    pub(super) fn after_exit(now: Duration, limits: AfterExit) -> Self {
        Self::AfterExit(Stage::Running {
            end_at: now.checked_add(limits.timeout),
        })
    }

    /// When [`Debt::expire`] has something to do.
    pub(super) fn next_timeout(self) -> Option<Duration> {
        match self {
            Self::AfterExit(Stage::Running { end_at }) => end_at,
            Self::AfterExit(Stage::Terminating { kill_at }) => kill_at,
            Self::AfterExit(Stage::Killed) | Self::Webhooks => None,
        }
    }

    /// Escalates as far as the deadlines that have passed say.
    pub(super) fn expire(&mut self, now: Duration, limits: Option<AfterExit>) -> Vec<Action> {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let mut actions = Vec::new();
        if let Self::AfterExit(Stage::Running { end_at }) = *self
            && due(end_at)
        {
            actions.push(Action::SignalAfterExit(Signal::TERM));
            // A stopped command would not see the signal until somebody continues it.
            actions.push(Action::SignalAfterExit(Signal::CONT));
            let kill_at = limits.and_then(|limits| now.checked_add(limits.grace));
            *self = Self::AfterExit(Stage::Terminating { kill_at });
        }
        if let Self::AfterExit(Stage::Terminating { kill_at }) = *self
            && due(kill_at)
        {
            actions.extend(self.abandon());
            *self = Self::AfterExit(Stage::Killed);
        }
        actions
    }

    /// Ends what cannot be waited for any longer.
    pub(super) fn abandon(self) -> Vec<Action> {
        match self {
            Self::AfterExit(Stage::Running { .. } | Stage::Terminating { .. }) => {
                vec![Action::SignalAfterExit(Signal::KILL)]
            }
            // A delivery that nobody waits for ends with the wrapper.
            Self::AfterExit(Stage::Killed) | Self::Webhooks => Vec::new(),
        }
    }
}
