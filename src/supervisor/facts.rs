//! What is known of the wrapped process.
//!
//! Owns the snapshot that everyone reads. It never changes anything; the supervisor writes it.

use std::time::SystemTime;

use crate::lifecycle::{Exit, State};
use crate::webhook::delivery::Delivery;

/// A snapshot. Times are of the wall clock, taken when the thing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
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
    /// When TERM will be sent.
    pub force_at: Option<SystemTime>,
    /// When KILL will be sent.
    pub kill_at: Option<SystemTime>,
    /// How the command that runs after the exit stands, if there is one.
    pub after_exit: Option<AfterExitFacts>,
    /// How the delivery of each webhook stands, in the order of registration.
    pub webhooks: Vec<Delivery>,
}

/// How the command that runs after the exit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterExitFacts {
    /// The process is not gone yet; or the machine is short of something, and it is tried again.
    Pending,
    /// It runs.
    Running,
    /// It ended by itself or by a signal of somebody else.
    Ended(Exit),
    /// There is no such program, or the machine is short of something.
    FailedToStart(String),
    /// It was ended because it ran out of time.
    TimedOut(Exit),
}
