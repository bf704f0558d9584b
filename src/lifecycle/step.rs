//! The inputs and the actions of the state machine.
//!
//! Owns the vocabulary of one step. It never takes one.

use std::time::Duration;

use crate::lifecycle::{Exit, Slot};
use crate::signal::Signal;

/// A request to drain the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainRequest {
    /// From this request to the abort stage; zero begins it at once.
    pub force_after: Option<Duration>,
    /// From the beginning of the abort stage to KILL.
    pub kill_after: Option<Duration>,
    /// Whether to send the signal of the present stage again, in case the process dropped it.
    pub repeat_signal: bool,
}

/// What happens to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A caller asks for a drain.
    DrainRequest(DrainRequest),
    /// A caller asks for the abort stage, now.
    AbortRequest,
    /// The wrapper received this signal.
    Signal(Signal),
    /// The process handles signals from now on.
    Ready,
    /// The process has been reaped.
    Exited(Exit),
    /// The command that runs after the exit has ended, or could not be started.
    AfterExitEnded,
    /// The wrapper accepted a webhook, for the first time or again.
    WebhookAccepted(Slot),
    /// A delivery has ended.
    WebhookEnded {
        /// The webhook's place.
        slot: Slot,
        /// Whether the receiver has it; otherwise the wrapper gave it up.
        delivered: bool,
    },
    /// Deliveries of webhooks that an earlier wrapper accepted have begun, or the last of them has
    /// ended. They do not depend on the process.
    RecoveredDeliveries {
        /// Whether any is under way.
        under_way: bool,
    },
    /// Time has passed; wanted at
    /// [`Lifecycle::next_timeout`](crate::lifecycle::Lifecycle::next_timeout), harmless at any
    /// time.
    TimePassed,
}

/// Why the wrapper sends a signal of a stage.
///
/// ```
/// use process_wrapper::client::SignalCause;
///
/// assert_eq!(SignalCause::Deadline.as_str(), "deadline");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SignalCause {
    /// A caller of an API asked for it.
    Request,
    /// `force_after` or `kill_after` has passed.
    Deadline,
    /// The wrapper received a signal and forwards it, possibly rewritten.
    Forwarded,
}

impl SignalCause {
    /// The word for it on every surface but the log, which names the option.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Deadline => "deadline",
            Self::Forwarded => "forwarded",
        }
    }
}

/// What the driver does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the process a signal that belongs to a stage. A step has at most one of these, and it
    /// is the first action. If the kernel refuses it, the driver skips the rest and calls
    /// [`Lifecycle::refused`](crate::lifecycle::Lifecycle::refused).
    SendStageSignal {
        /// The signal.
        signal: Signal,
        /// Why.
        cause: SignalCause,
    },
    /// Send the process CONT: a stopped process sees the signal before it only then.
    ContinueProcess,
    /// Send the process a signal that the wrapper received and that belongs to no stage.
    ForwardSignal(Signal),
    /// Start the command that runs after the exit, and report its end with
    /// [`Input::AfterExitEnded`].
    RunAfterExit,
    /// Send this signal to the command that runs after the exit.
    SignalAfterExit(Signal),
    /// Deliver this webhook, and report the end with [`Input::WebhookEnded`].
    Deliver(Slot),
    /// Answer the waiting calls, then leave with the exit's status.
    Leave(Exit),
}
