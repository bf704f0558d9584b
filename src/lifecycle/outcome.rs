//! How the shutdown of a process went.
//!
//! Owns the [`Outcome`] fact, its names, and the record of a signal that led to it. It never judges
//! an exit code beyond zero.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use crate::lifecycle::SignalCause;
use crate::signal::Signal;

/// A signal of the drain, abort or kill stage that the wrapper sent to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageSignal {
    /// The signal.
    pub signal: Signal,
    /// When the wrapper sent it.
    pub sent_at: SystemTime,
    /// Why.
    pub cause: SignalCause,
}

/// The text is no name of an [`Outcome`].
///
/// ```
/// let error = "done".parse::<process_wrapper::client::Outcome>().unwrap_err();
/// assert!(error.to_string().starts_with("write drained"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write drained, failed, aborted, killed, unasked or lost")]
#[non_exhaustive]
pub struct UnknownOutcome;

/// How the shutdown of a process went. Exit code 0 does not say it: GitLab Runner exits with 0
/// after it has aborted its jobs.
///
/// ```
/// use process_wrapper::client::{Outcome, Process};
///
/// fn has_finished_its_jobs(process: &Process) -> bool {
///     process.outcome == Some(Outcome::Drained)
/// }
/// assert_eq!("drained".parse(), Ok(Outcome::Drained));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// The wrapper did not see the end, because it was killed. Reserved: the state machine never
    /// concludes it.
    Lost,
}

impl Outcome {
    /// All outcomes.
    ///
    /// ```
    /// use process_wrapper::client::Outcome;
    ///
    /// let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    /// assert_eq!(words.join("|"), "drained|failed|aborted|killed|unasked|lost");
    /// ```
    pub const ALL: [Self; 6] = [
        Self::Drained,
        Self::Failed,
        Self::Aborted,
        Self::Killed,
        Self::Unasked,
        Self::Lost,
    ];

    /// The word for it on every surface, as [`Display`](fmt::Display) writes it.
    ///
    /// ```
    /// # use process_wrapper::client::Outcome;
    /// assert_eq!(Outcome::Aborted.as_str(), "aborted");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Killed => "killed",
            Self::Unasked => "unasked",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |outcome: &Self| outcome.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownOutcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_its_outcome() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
        assert_eq!("Drained".parse::<Outcome>(), Err(UnknownOutcome));
    }
}
