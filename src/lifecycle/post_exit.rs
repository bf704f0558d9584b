//! The work after the exit: the command that runs then, then the webhooks.
//!
//! Owns how far the command has come and when it is ended. It never starts or signals it, and never
//! knows why the wrapper would leave.

use std::time::Duration;

use crate::lifecycle::{Action, AfterExitLimits};
use crate::signal::Signal;

/// The work that keeps the wrapper after the exit, in the order in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PostExit {
    /// The command that runs after the exit.
    Command(CommandStep),
    /// The deliveries of webhooks; each keeps its own time.
    Webhooks,
}

/// How far the command has come. An instant beyond the clock's range is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CommandStep {
    /// It runs, until TERM at this time.
    Running { end_at: Option<Duration> },
    /// It ran out of time and got TERM; KILL follows at this time.
    Terminating { kill_at: Option<Duration> },
    /// It got KILL.
    Killed,
}

impl PostExit {
    /// The command starts now.
    pub(super) fn command(now: Duration, limits: AfterExitLimits) -> Self {
        Self::Command(CommandStep::Running {
            end_at: now.checked_add(limits.timeout),
        })
    }

    /// When [`PostExit::expire`] has something to do.
    pub(super) fn next_timeout(self) -> Option<Duration> {
        match self {
            Self::Command(CommandStep::Running { end_at }) => end_at,
            Self::Command(CommandStep::Terminating { kill_at }) => kill_at,
            Self::Command(CommandStep::Killed) | Self::Webhooks => None,
        }
    }

    /// Escalates as far as the deadlines that have passed say.
    pub(super) fn expire(&mut self, now: Duration, limits: Option<AfterExitLimits>) -> Vec<Action> {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let mut actions = Vec::new();
        if let Self::Command(CommandStep::Running { end_at }) = *self
            && due(end_at)
        {
            actions.push(Action::SignalAfterExit(Signal::TERM));
            // A stopped command sees TERM only once it is continued.
            actions.push(Action::SignalAfterExit(Signal::CONT));
            let kill_at = limits.and_then(|limits| now.checked_add(limits.grace));
            *self = Self::Command(CommandStep::Terminating { kill_at });
        }
        if let Self::Command(CommandStep::Terminating { kill_at }) = *self
            && due(kill_at)
        {
            actions.extend(self.abandon());
            *self = Self::Command(CommandStep::Killed);
        }
        actions
    }

    /// Ends the work that the wrapper does not wait for any longer.
    pub(super) fn abandon(self) -> Vec<Action> {
        match self {
            Self::Command(CommandStep::Running { .. } | CommandStep::Terminating { .. }) => {
                vec![Action::SignalAfterExit(Signal::KILL)]
            }
            // A delivery ends with the wrapper.
            Self::Command(CommandStep::Killed) | Self::Webhooks => Vec::new(),
        }
    }
}
