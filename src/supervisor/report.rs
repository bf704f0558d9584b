//! The report of a webhook, from the facts.
//!
//! Owns what a webhook says before and after the exit. It never sends one.

use crate::lifecycle::Outcome;
use crate::process::self_process;
use crate::supervisor::facts::{AfterExitFacts, ProcessFacts};
use crate::webhook::exit_report::{AfterExitReport, ExitReport};

/// The report on the process as far as it is known: `lost` while it is alive.
pub(super) fn report(facts: &ProcessFacts) -> ExitReport {
    ExitReport {
        program: facts.program.clone(),
        pid: facts.pid,
        hostname: self_process::hostname(),
        started_at: facts.started_at,
        shutdown_requested_at: facts.shutdown_requested_at,
        exited_at: facts.exited_at,
        exit: facts.exit,
        requested: facts.requested,
        outcome: facts.outcome.unwrap_or(Outcome::Lost),
        signals: facts.signals.clone(),
        after_exit: match &facts.after_exit {
            Some(AfterExitFacts::Ended(exit)) => Some(AfterExitReport::Ended(*exit)),
            Some(AfterExitFacts::TimedOut(exit)) => Some(AfterExitReport::TimedOut(*exit)),
            Some(AfterExitFacts::FailedToStart(error)) => {
                Some(AfterExitReport::FailedToStart(error.clone()))
            }
            // Deliveries come after the command.
            Some(AfterExitFacts::Pending | AfterExitFacts::Running) | None => None,
        },
    }
}
