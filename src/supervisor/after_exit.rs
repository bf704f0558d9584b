//! The command that runs once the process is gone: started, signalled, and its result kept.
//!
//! Owns its environment and the words for how it went. It never decides when it runs or how long it may:
//! `lifecycle` does.

use std::future::Future;
use std::io;
use std::time::SystemTime;

use crate::lifecycle::Exit;
use crate::process::child::{Child, Program, SignalError};
use crate::signal::Signal;
use crate::supervisor::facts::{AfterExitFacts, Facts};

/// The command, and the process that it has become.
#[derive(Debug)]
pub(super) struct AfterExit {
    program: Program,
    child: Option<Child>,
    /// Whether it was told to end because its time was over.
    timed_out: bool,
}

impl AfterExit {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            child: None,
            timed_out: false,
        }
    }

    /// Starts it. The future completes with its exit; `Err` says how it failed to start.
    pub(super) fn start(
        &mut self,
        facts: &Facts,
    ) -> Result<impl Future<Output = io::Result<Exit>> + use<>, AfterExitFacts> {
        match Child::spawn(&self.program, &environment(facts)) {
            Ok(mut child) => {
                let program = self.program.name.to_string_lossy();
                tracing::info!(pid = child.pid(), %program, "the command after the exit has started");
                let exit = child.exit();
                self.child = Some(child);
                Ok(exit)
            }
            Err(error) => {
                tracing::error!(%error, "the command after the exit could not be started");
                Err(AfterExitFacts::FailedToStart(error.to_string()))
            }
        }
    }

    /// Sends it a signal. One that has ended meanwhile is no error.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), SignalError> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        if signal == Signal::TERM {
            self.timed_out = true;
            tracing::warn!(
                pid = child.pid(),
                "the command after the exit has run out of time"
            );
        }
        child.signal(signal)
    }

    /// Its process id, until its exit has been seen.
    pub(super) fn pid(&self) -> Option<i32> {
        self.child.as_ref().map(Child::pid)
    }

    /// Takes its exit.
    pub(super) fn ended(&mut self, result: io::Result<Exit>) -> AfterExitFacts {
        self.child = None;
        match result {
            Ok(exit) if self.timed_out => {
                tracing::warn!(%exit, "the command after the exit was ended");
                AfterExitFacts::TimedOut(exit)
            }
            Ok(exit) => {
                if exit == Exit::Code(0) {
                    tracing::info!("the command after the exit has ended");
                } else {
                    tracing::warn!(%exit, "the command after the exit has failed");
                }
                AfterExitFacts::Ended(exit)
            }
            Err(error) => {
                tracing::error!(%error, "the exit status of the command after the exit is lost");
                AfterExitFacts::Ended(Exit::Code(u8::MAX))
            }
        }
    }
}

/// What the command is told. A variable that does not apply is left out.
fn environment(facts: &Facts) -> Vec<(&'static str, String)> {
    let time = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
    let (code, signal) = match facts.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal { number, .. }) => (None, Some(number)),
        None => (None, None),
    };
    [
        (
            "PROCESS_WRAPPER_EXIT_CODE",
            code.map(|code| code.to_string()),
        ),
        (
            "PROCESS_WRAPPER_EXIT_SIGNAL",
            signal.map(|number| number.to_string()),
        ),
        (
            "PROCESS_WRAPPER_REQUESTED",
            Some(facts.requested.to_string()),
        ),
        ("PROCESS_WRAPPER_STARTED_AT", Some(time(facts.started_at))),
        (
            "PROCESS_WRAPPER_SHUTDOWN_REQUESTED_AT",
            facts.shutdown_requested_at.map(time),
        ),
        ("PROCESS_WRAPPER_EXITED_AT", facts.exited_at.map(time)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
