//! Where the machine stands.
//!
//! Owns the phases and what is known in each, so that what cannot be true together cannot be written. It
//! never passes from one to another.

use std::time::Duration;

use crate::lifecycle::Exit;
use crate::lifecycle::owed::Debt;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Running,
    ShuttingDown(Shutdown),
    /// The process is gone and something is still owed.
    Owing(Owing),
    /// The process is gone, nothing is owed, and the wrapper stays until it is told to stop.
    Gone(Departure),
    /// The wrapper was told to leave; nothing that comes later changes that.
    Left(Departure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shutdown {
    pub(super) stage: Stage,
    /// The shortest of the option and all requests.
    pub(super) kill_after: Option<Duration>,
    /// Whether the wrapper itself received a stop signal, so that it leaves once the process is gone.
    pub(super) told_to_stop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Neither TERM nor INT nor KILL has been sent yet.
    Draining {
        /// Whether the graceful signal was sent; not if a stop signal was rewritten to another one.
        asked: bool,
        force_at: Option<Duration>,
    },
    /// TERM or INT was sent, first at this time.
    Terminating { since: Duration },
    /// KILL was sent: there is nothing more to do than to wait.
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owing {
    pub(super) departure: Departure,
    pub(super) debt: Debt,
    /// Whether the wrapper itself received a stop signal: the next one does not wait for the debt.
    pub(super) told_to_stop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Departure {
    pub(super) exit: Exit,
    pub(super) requested: bool,
}
