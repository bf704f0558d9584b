//! The phase of the machine.
//!
//! Owns the phases and what is known in each, so that contradictory facts cannot be written. It
//! never passes from one to another.

use crate::lifecycle::post_exit::PostExit;
use crate::lifecycle::stage::ShutdownProgress;
use crate::lifecycle::{Exit, Outcome};

/// The phase of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The process is alive and was not asked to stop.
    Running {
        /// Whether the process handles signals, as far as is known.
        ready: bool,
    },
    /// The process is alive and was asked to stop.
    ShuttingDown(ShutdownProgress),
    /// The process is gone; its command after the exit runs, or webhooks are being delivered.
    Finishing(Finishing),
    /// The process is gone, all work is done, and the wrapper stays until it is told to stop.
    Gone(ExitInfo),
    /// The wrapper was told to leave; no later input changes that.
    Left(ExitInfo),
}

/// What is known between the exit and the end of the work after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Finishing {
    pub(super) ended: ExitInfo,
    pub(super) work: PostExit,
    /// Whether the wrapper itself received a stop signal: the next one does not wait for the work.
    pub(super) told_to_stop: bool,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ExitInfo {
    pub(super) exit: Exit,
    pub(super) outcome: Outcome,
}
