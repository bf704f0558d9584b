//! What came of one wrapper, and of all of them.
//!
//! Owns the exit codes of the client commands and which of several is the worst. It never prints.

use crate::client::{Error, Health, Process};

/// What came of one wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOutcome {
    /// As asked.
    Done,
    /// The wrapper refused, or it answered otherwise than it was asked for.
    Failed,
    /// The time to wait has passed.
    TimedOut,
    /// There is no connection.
    Unreachable,
    /// The process is gone but failed.
    ProcessFailed,
}

impl RowOutcome {
    /// The exit code that stands for it.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::TimedOut => 3,
            Self::Unreachable => 4,
            Self::ProcessFailed => 5,
        }
    }

    /// The word for it in JSON and in summaries.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::ProcessFailed => "process_failed",
        }
    }

    /// From the worst to the best, by exit code: 4, 3, 1, 5, 0.
    const WORST_FIRST: [Self; 5] = [
        Self::Unreachable,
        Self::TimedOut,
        Self::Failed,
        Self::ProcessFailed,
        Self::Done,
    ];
}

impl From<&Error> for RowOutcome {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unreachable { .. } => Self::Unreachable,
            Error::TimedOut { .. } => Self::TimedOut,
            Error::Refused(_) | Error::Replaced { .. } | Error::Malformed(_) => Self::Failed,
        }
    }
}

/// What a wrapper said.
#[derive(Debug, Clone)]
pub(super) enum RowAnswer {
    /// Nothing, or nothing that counts.
    Nothing,
    /// How its process stands; before an error: as it was seen last.
    Process(Box<Process>),
    /// Whether this service serves; empty is the wrapper itself.
    Health { service: String, health: Health },
}

/// One wrapper of those that were called.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) address: String,
    pub(super) outcome: RowOutcome,
    pub(super) answer: RowAnswer,
    /// What went wrong and what to do about it.
    pub(super) error: Option<String>,
}

impl Row {
    pub(super) fn process(&self) -> Option<&Process> {
        match &self.answer {
            RowAnswer::Process(process) => Some(process),
            RowAnswer::Nothing | RowAnswer::Health { .. } => None,
        }
    }
}

/// The exit code for all of them: that of the worst. With `propagate`, a process that failed stands for its
/// own exit code; of several, the first.
pub(super) fn exit_code(rows: &[Row], propagate: bool) -> u8 {
    let worst = RowOutcome::WORST_FIRST
        .into_iter()
        .find_map(|outcome| rows.iter().find(|row| row.outcome == outcome));
    let Some(worst) = worst else {
        return RowOutcome::Done.code();
    };
    let own = worst.process().and_then(|process| process.exit);
    match (worst.outcome, own) {
        (RowOutcome::ProcessFailed, Some(exit)) if propagate => exit.status(),
        (outcome, _) => outcome.code(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::client::{Exit, State};

    /// A process in this state; once it is gone, it ended so.
    pub(in crate::cli::client) fn process(state: State, exit: Option<Exit>) -> Process {
        Process {
            state,
            pid: 42,
            program: "gitlab-runner".to_owned(),
            started_at: None,
            shutdown_requested_at: None,
            exited_at: None,
            exit,
            requested: false,
            force_at: None,
            kill_at: None,
            after_exit: None,
            webhooks: Vec::new(),
        }
    }

    fn row(outcome: RowOutcome, exit: Option<Exit>) -> Row {
        Row {
            address: "unix:/a".to_owned(),
            outcome,
            answer: RowAnswer::Process(Box::new(process(State::Gone, exit))),
            error: None,
        }
    }

    fn code(outcomes: &[RowOutcome]) -> u8 {
        let rows: Vec<_> = outcomes.iter().map(|outcome| row(*outcome, None)).collect();
        exit_code(&rows, false)
    }

    #[test]
    fn the_worst_of_several_counts() {
        use RowOutcome::{Done, Failed, ProcessFailed, TimedOut, Unreachable};
        for (outcomes, expected) in [
            (&[Done, Done][..], 0),
            (&[Done, ProcessFailed], 5),
            (&[ProcessFailed, Failed, Done], 1),
            (&[Failed, TimedOut, ProcessFailed], 3),
            (&[TimedOut, Unreachable, Failed, Done], 4),
            (&[], 0),
        ] {
            assert_eq!(code(outcomes), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn the_process_s_own_code_is_propagated_only_where_its_failure_is_the_worst() {
        let failed = |exit| row(RowOutcome::ProcessFailed, Some(exit));
        let (seven, nine) = (Exit::Code(7), Exit::Code(9));
        let rows = [failed(seven), failed(nine)];
        assert_eq!(exit_code(&rows, true), 7);
        assert_eq!(exit_code(&rows, false), 5);
        let killed = Exit::Signal {
            number: 9,
            core_dumped: false,
        };
        assert_eq!(exit_code(&[failed(killed)], true), 137);
        let rows = [failed(seven), row(RowOutcome::TimedOut, None)];
        assert_eq!(exit_code(&rows, true), 3);
        assert_eq!(exit_code(&[row(RowOutcome::ProcessFailed, None)], true), 5);
    }
}
