//! How the shutdown of a process went.
//!
//! Owns the [`Outcome`] fact. It never judges an exit code beyond zero.

use std::fmt;

/// How the shutdown of a process went. Exit code 0 does not say it: GitLab Runner exits with 0
/// after it has aborted its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The exit was asked for, at most the graceful signal was sent, and the process exited with
    /// code 0.
    Drained,
    /// The exit was asked for, at most the graceful signal was sent, and the process ended in any
    /// other way: with a code, by an unhandled graceful signal, by a KILL that the wrapper did not
    /// send.
    Failed,
    /// The wrapper sent a forceful signal or forwarded a stop signal.
    Aborted,
    /// The wrapper sent or forwarded KILL.
    Killed,
    /// The exit was not asked for.
    Unasked,
}

impl Outcome {
    /// The word for it on every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Killed => "killed",
            Self::Unasked => "unasked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
