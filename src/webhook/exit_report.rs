//! What a webhook tells about the process that has gone.
//!
//! Owns the facts. It never writes them down; `body` does.

use std::time::SystemTime;

use crate::lifecycle::Exit;

/// What is told about the process that has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// The program without its arguments.
    pub program: String,
    /// Its process id.
    pub pid: i32,
    /// The name of the host that it ran on.
    pub hostname: String,
    /// When it was spawned.
    pub started_at: SystemTime,
    /// When it was first asked to stop.
    pub shutdown_requested_at: Option<SystemTime>,
    /// When its exit was seen.
    pub exited_at: SystemTime,
    /// How it ended.
    pub exit: Exit,
    /// Whether the exit was asked for.
    pub requested: bool,
    /// How the command after the exit went, if there was one.
    pub after_exit: Option<AfterExitReport>,
}

/// How the command after the exit went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterExitReport {
    /// It ended by itself or by a signal of somebody else.
    Ended(Exit),
    /// It was ended because it ran out of time.
    TimedOut(Exit),
    /// It could not be started.
    FailedToStart(String),
}
