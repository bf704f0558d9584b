//! What is fixed at the start.
//!
//! Owns the options of the state machine. It never reads the command line.

use std::time::Duration;

use crate::lifecycle::Rewrites;
use crate::signal::Signal;

/// What is fixed at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The signal of the drain stage.
    pub graceful_signal: Signal,
    /// The signal of the abort stage; `None` begins that stage without one, and only where a time
    /// from it to KILL is known.
    pub forceful_signal: Option<Signal>,
    /// From the first request to drain to the abort stage; `None` is never.
    pub force_after: Option<Duration>,
    /// From the beginning of the abort stage to KILL; `None` is never.
    pub kill_after: Option<Duration>,
    /// Until this long after the start a graceful signal waits for
    /// [`Input::Ready`](crate::lifecycle::Input::Ready); `None` never waits.
    pub ready_within: Option<Duration>,
    /// How far apart signals are.
    pub spacing: Spacing,
    /// Whether the wrapper leaves by itself once the process is gone.
    pub exit_when_gone: ExitWhenGone,
    /// What is forwarded for which signal.
    pub rewrites: Rewrites,
    /// The limits of the command that runs once the process is gone, if there is one.
    pub after_exit: Option<AfterExitLimits>,
}

impl Default for Config {
    /// The configuration of a command line without options.
    fn default() -> Self {
        Self {
            graceful_signal: Signal::QUIT,
            forceful_signal: Some(Signal::TERM),
            force_after: None,
            kill_after: None,
            ready_within: None,
            spacing: Spacing::default(),
            exit_when_gone: ExitWhenGone::default(),
            rewrites: Rewrites::default(),
            after_exit: None,
        }
    }
}

/// The least time between two signals that the wrapper sends on its own account. A Go program drops
/// a signal that arrives while its handler is busy with the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// From a graceful signal to a forceful one that is not forwarded.
    pub forceful: Duration,
    /// From a signal of a stage to its repetition.
    pub repeat: Duration,
}

impl Default for Spacing {
    fn default() -> Self {
        Self {
            forceful: Duration::from_millis(250),
            repeat: Duration::from_secs(1),
        }
    }
}

/// When the wrapper leaves without having been told to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExitWhenGone {
    /// It stays until it is told to stop.
    #[default]
    Never,
    /// It leaves after an exit that was not asked for: a crash.
    Unrequested,
    /// It leaves in any case.
    Always,
}

/// How long the command that runs after the exit may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterExitLimits {
    /// From its start to TERM.
    pub timeout: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
}
