//! What goes into the machine and what comes out.
//!
//! Owns the words of one step. It never takes one.

use std::time::Duration;

use crate::lifecycle::{Exit, Slot};
use crate::signal::Signal;

/// What a request may say about deadlines, each counted as the field of [`Config`](crate::lifecycle::Config) with its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// From this request to TERM.
    pub force_after: Option<Duration>,
    /// From the first TERM to KILL.
    pub kill_after: Option<Duration>,
}

/// What happens to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody asked for a drain.
    GracefulRequest(Deadlines),
    /// Somebody asked for TERM.
    ForcefulRequest,
    /// The wrapper received this signal.
    Signal(Signal),
    /// The process has been reaped.
    Exited(Exit),
    /// The command that runs after the exit has ended, however it did, or could not be started.
    AfterExitEnded,
    /// A webhook was accepted, for the first time or again; said before the request that it came with.
    WebhookAccepted(Slot),
    /// A delivery has come to its end.
    WebhookEnded {
        /// Which one.
        slot: Slot,
        /// Whether the receiver has it; otherwise it was given up.
        delivered: bool,
    },
    /// Time has passed; sent when [`Lifecycle::next_timeout`](crate::lifecycle::Lifecycle::next_timeout) is reached, harmless at any time.
    TimePassed,
}

/// What the driver is to do, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send this signal to the main process.
    SignalProcess(Signal),
    /// Start the command that runs after the exit, and say [`Input::AfterExitEnded`] once it has ended.
    RunAfterExit,
    /// Send this signal to the command that runs after the exit.
    SignalAfterExit(Signal),
    /// Deliver this webhook, and say [`Input::WebhookEnded`] once that has come to an end.
    Deliver(Slot),
    /// Answer those who wait, then leave with the exit's status.
    Leave(Exit),
}
