//! What is fixed at the start.
//!
//! Owns the options of the state machine. It never reads the command line.

use std::time::Duration;

use crate::lifecycle::Rewrites;
use crate::signal::Signal;

/// What is fixed at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The signal that asks the process to drain.
    pub graceful_signal: Signal,
    /// From the first graceful signal to TERM; `None` is never.
    pub force_after: Option<Duration>,
    /// From the first TERM to KILL; `None` is never.
    pub kill_after: Option<Duration>,
    /// Whether the wrapper leaves by itself once the process is gone.
    pub exit_when_gone: ExitWhenGone,
    /// What is forwarded for which signal.
    pub rewrites: Rewrites,
    /// The limits of the command that runs once the process is gone, if there is one.
    pub after_exit: Option<AfterExit>,
}

/// When the wrapper leaves without having been told to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExitWhenGone {
    /// It stays until it is told to stop.
    #[default]
    Never,
    /// It leaves if nobody had asked for the exit: a crash.
    Unrequested,
    /// It leaves in any case.
    Always,
}

/// How long the command that runs after the exit may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterExit {
    /// From its start to TERM.
    pub timeout: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
}
