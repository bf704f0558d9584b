//! Where text is shown, and the colours of states, as SGR sequences of ECMA-48.
//!
//! Owns which state has which colour. It never decides whether to use colours. A crate would bring
//! more than these three codes: the binary's size counts.

use std::time::SystemTime;

use super::row::{Row, RowAnswer, RowOutcome};
use crate::client::State;

/// Where and when text is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    pub(super) now: SystemTime,
    pub(super) color: bool,
    /// The columns of a terminal. Elsewhere text is neither cut nor wrapped.
    pub(super) columns: Option<usize>,
}

impl Canvas {
    /// Text of now that is no terminal's.
    pub(super) fn now(color: bool) -> Self {
        Self {
            now: SystemTime::now(),
            color,
            columns: None,
        }
    }
}

/// The colour of a row's state. Only the eight basic colours, which terminals adapt to a light or
/// dark background.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    Green,
    Yellow,
    Red,
    Plain,
}

impl Paint {
    pub(super) fn of(row: &Row) -> Self {
        match (row.outcome, &row.answer) {
            (
                RowOutcome::Done | RowOutcome::ProcessFailed | RowOutcome::ProcessAborted,
                RowAnswer::Process(process),
            ) => match process.state {
                State::Running => Self::Green,
                State::ShuttingDown => Self::Yellow,
                State::Gone => match RowOutcome::of(process) {
                    RowOutcome::ProcessFailed | RowOutcome::ProcessAborted => Self::Red,
                    RowOutcome::Done
                    | RowOutcome::Failed
                    | RowOutcome::TimedOut
                    | RowOutcome::Unreachable => Self::Plain,
                },
            },
            (RowOutcome::Done, RowAnswer::Health { .. }) => Self::Green,
            (RowOutcome::Done, RowAnswer::Nothing) => Self::Plain,
            (
                RowOutcome::ProcessFailed
                | RowOutcome::ProcessAborted
                | RowOutcome::Failed
                | RowOutcome::TimedOut
                | RowOutcome::Unreachable,
                _,
            ) => Self::Red,
        }
    }

    pub(super) fn apply(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Plain => return text.to_owned(),
        };
        if color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
