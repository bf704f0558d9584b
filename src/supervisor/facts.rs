//! The facts about the wrapped process.
//!
//! Owns the snapshot that all surfaces read. It never changes anything; the supervisor writes it.

use std::time::SystemTime;

use crate::lifecycle::{Exit, Outcome, StageSignal, State};
use crate::webhook::delivery::Delivery;

/// A snapshot. Times are of the wall clock, taken at the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// How far the process has come.
    pub state: State,
    /// The process id; after the exit it may belong to another process.
    pub pid: i32,
    /// The program without its arguments, which may hold secrets.
    pub program: String,
    /// When it was spawned.
    pub started_at: SystemTime,
    /// When it was first asked to stop.
    pub shutdown_requested_at: Option<SystemTime>,
    /// When its exit was seen.
    pub exited_at: Option<SystemTime>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Whether the exit was asked for.
    pub requested: bool,
    /// How the shutdown went, once the process has ended.
    pub outcome: Option<Outcome>,
    /// The last [`MAX_SIGNALS`] signals of a stage that were sent, oldest first.
    pub signals: Vec<StageSignal>,
    /// How many signals the kernel has refused to send to the process.
    pub signals_refused: u64,
    /// When the abort stage begins by itself.
    pub force_at: Option<SystemTime>,
    /// When KILL will be sent.
    pub kill_at: Option<SystemTime>,
    /// The state of the command that runs after the exit, if there is one.
    pub after_exit: Option<AfterExitFacts>,
    /// The state of each delivery, in the order of registration.
    pub webhooks: Vec<Delivery>,
}

/// How many sent signals are kept. A shutdown has three; a caller that repeats one for ever fills
/// no memory.
pub(super) const MAX_SIGNALS: usize = 16;

/// The state of the command that runs after the exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterExitFacts {
    /// The process is not gone yet; or the machine lacks a resource to start it, and the wrapper
    /// tries again.
    Pending,
    /// It runs.
    Running,
    /// It ended by itself or by a signal that the wrapper did not send.
    Ended(Exit),
    /// There is no such program, or the machine lacks a resource.
    FailedToStart(String),
    /// The wrapper ended it because it ran out of time.
    TimedOut(Exit),
}
