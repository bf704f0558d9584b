//! The result of one wrapper, and the exit code over all of them.
//!
//! Owns the exit codes of the client commands and their order. It never prints.

use crate::client::{Error, Exit, Health, Outcome, Process};

/// The outcome of one wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOutcome {
    /// The request succeeded.
    Done,
    /// The wrapper refused, or its answer is unusable.
    Failed,
    /// `--timeout` expired.
    TimedOut,
    /// No connection.
    Unreachable,
    /// The process is gone but failed.
    ProcessFailed,
    /// The process was aborted or killed.
    ProcessAborted,
}

impl RowOutcome {
    /// The outcome of a request whose success is judged by the end of the process.
    pub(super) fn of(process: &Process) -> Self {
        match process.outcome {
            Some(Outcome::Aborted | Outcome::Killed) => Self::ProcessAborted,
            Some(Outcome::Drained | Outcome::Failed | Outcome::Unasked | Outcome::Lost) | None => {
                match process.failed() {
                    true => Self::ProcessFailed,
                    false => Self::Done,
                }
            }
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::TimedOut => 3,
            Self::Unreachable => 4,
            Self::ProcessFailed => 5,
            Self::ProcessAborted => 6,
        }
    }

    /// The name in JSON and in summaries.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::ProcessFailed => "process_failed",
            Self::ProcessAborted => "process_aborted",
        }
    }

    /// From the worst to the best, by exit code: 4, 3, 1, 6, 5, 0.
    const WORST_FIRST: [Self; 6] = [
        Self::Unreachable,
        Self::TimedOut,
        Self::Failed,
        Self::ProcessAborted,
        Self::ProcessFailed,
        Self::Done,
    ];
}

impl From<&Error> for RowOutcome {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unreachable { .. } => Self::Unreachable,
            Error::TimedOut { .. } => Self::TimedOut,
            Error::Refused { .. } | Error::Replaced { .. } | Error::Malformed(_) => Self::Failed,
        }
    }
}

/// The answer of a wrapper.
#[derive(Debug, Clone)]
pub(super) enum RowAnswer {
    /// Beside no error: not yet.
    Nothing,
    /// Its process; beside an error, the last state seen.
    Process(Box<Process>),
    /// An empty `service` is the wrapper itself.
    Health { service: String, health: Health },
}

/// The result of one wrapper.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) address: String,
    pub(super) outcome: RowOutcome,
    pub(super) answer: RowAnswer,
    pub(super) error: Option<String>,
}

impl Row {
    /// Of a wrapper that has not answered yet.
    pub(super) const fn connecting(address: String) -> Self {
        Self {
            address,
            outcome: RowOutcome::Done,
            answer: RowAnswer::Nothing,
            error: None,
        }
    }

    pub(super) fn process(&self) -> Option<&Process> {
        match &self.answer {
            RowAnswer::Process(process) => Some(process),
            RowAnswer::Nothing | RowAnswer::Health { .. } => None,
        }
    }
}

/// The exit code of the worst row. With `propagate`, a process that failed or was aborted gives its
/// own exit code unless that is 0; the first of several.
pub(super) fn exit_code(rows: &[Row], propagate: bool) -> u8 {
    let worst = RowOutcome::WORST_FIRST
        .into_iter()
        .find(|outcome| rows.iter().any(|row| row.outcome == *outcome))
        .unwrap_or(RowOutcome::Done);
    let own = match worst {
        RowOutcome::ProcessFailed | RowOutcome::ProcessAborted if propagate => rows
            .iter()
            .filter(|row| row.outcome == worst)
            .filter_map(|row| row.process()?.exit)
            .map(Exit::status)
            .find(|status| *status != 0),
        RowOutcome::ProcessFailed
        | RowOutcome::ProcessAborted
        | RowOutcome::Done
        | RowOutcome::Failed
        | RowOutcome::TimedOut
        | RowOutcome::Unreachable => None,
    };
    own.unwrap_or(worst.code())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::client::State;

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
            outcome: None,
            signals: Vec::new(),
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
    fn the_worst_outcome_decides() {
        use RowOutcome::{Done, Failed, ProcessAborted, ProcessFailed, TimedOut, Unreachable};
        for (outcomes, expected) in [
            (&[Done, Done][..], 0),
            (&[Done, ProcessFailed], 5),
            (&[ProcessFailed, ProcessAborted, Done], 6),
            (&[ProcessFailed, ProcessAborted, Failed, Done], 1),
            (&[Failed, TimedOut, ProcessFailed], 3),
            (&[TimedOut, Unreachable, Failed, Done], 4),
            (&[], 0),
        ] {
            assert_eq!(code(outcomes), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn the_exit_code_propagates_only_if_the_failed_process_is_the_worst() {
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

    #[test]
    fn exit_code_0_after_an_abort_never_propagates() {
        let aborted = |exit| row(RowOutcome::ProcessAborted, Some(exit));
        let (zero, nine) = (Exit::Code(0), Exit::Code(9));
        assert_eq!(exit_code(&[aborted(zero)], true), 6);
        assert_eq!(exit_code(&[aborted(zero), aborted(nine)], true), 9);
        let failed = row(RowOutcome::ProcessFailed, Some(Exit::Code(7)));
        assert_eq!(exit_code(&[aborted(zero), failed], true), 6);
    }

    #[test]
    fn the_outcome_of_the_process_decides_beside_its_exit_code() {
        use Outcome::{Aborted, Drained, Failed, Killed, Lost, Unasked};
        for (outcome, code_0, code_1) in [
            (Some(Drained), 0, 0),
            (Some(Failed), 5, 5),
            (Some(Aborted), 6, 6),
            (Some(Killed), 6, 6),
            (Some(Unasked), 0, 5),
            (Some(Lost), 5, 5),
            (None, 0, 5),
        ] {
            let code = |exit| {
                let mut gone = process(State::Gone, Some(Exit::Code(exit)));
                gone.outcome = outcome;
                RowOutcome::of(&gone).code()
            };
            assert_eq!((code(0), code(1)), (code_0, code_1), "{outcome:?}");
        }
        let running = process(State::Running, None);
        assert_eq!(RowOutcome::of(&running), RowOutcome::Done);
    }
}
