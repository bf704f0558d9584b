//! The facts about an exit that a webhook reports.
//!
//! Owns the types. It never serializes them: `body` does.

use std::time::SystemTime;

use crate::lifecycle::{Exit, Outcome, StageSignal};

/// The exit of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// The program, without its arguments: they may hold secrets.
    pub program: String,
    /// Its process id.
    pub pid: i32,
    /// The hostname, `gethostname(2)`.
    pub hostname: String,
    /// When it was spawned.
    pub started_at: SystemTime,
    /// When a stop was first requested.
    pub shutdown_requested_at: Option<SystemTime>,
    /// When a wrapper saw that it was gone; `None` if none did.
    pub exited_at: Option<SystemTime>,
    /// Exit code or signal; `None` if its wrapper was killed before.
    pub exit: Option<Exit>,
    /// Whether a stop was requested before the exit.
    pub requested: bool,
    /// How the shutdown went.
    pub outcome: Outcome,
    /// The last signals of a stage that the wrapper sent, oldest first.
    pub signals: Vec<StageSignal>,
    /// The result of `--after-exit`, if it is set.
    pub after_exit: Option<AfterExitReport>,
}

impl ExitReport {
    /// The report on a process whose end no wrapper has seen.
    pub fn unseen(program: String, pid: i32, hostname: String, started_at: SystemTime) -> Self {
        Self {
            program,
            pid,
            hostname,
            started_at,
            shutdown_requested_at: None,
            exited_at: None,
            exit: None,
            requested: false,
            outcome: Outcome::Lost,
            signals: Vec::new(),
            after_exit: None,
        }
    }
}

/// The result of the after-exit command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterExitReport {
    /// Ended within its time limit.
    Ended(Exit),
    /// Signalled by the wrapper at its time limit.
    TimedOut(Exit),
    /// Could not be started; the reason.
    FailedToStart(String),
}
