//! The command that runs once the process is gone: started, signalled, and its result kept.
//!
//! Owns its environment, its log lines, and the retries where the machine lacks the resources to
//! start it. It never decides when the command runs or for how long: `lifecycle` does.

use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Exit, Input, StageSignal};
use crate::process::child::{Child, Program, SignalError};
use crate::signal::Signal;
use crate::supervisor::facts::{AfterExitFacts, ProcessFacts};
use crate::supervisor::{Handle, Supervised};
use crate::timestamp::rfc3339;

/// From a start that failed for lack of resources to the next attempt.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The command, and its process while that runs.
#[derive(Debug)]
pub(super) struct PostExitCommand {
    program: Program,
    child: Option<Child>,
    /// Whether it got TERM because its time was over.
    timed_out: bool,
    /// Why the last start failed, if the wrapper tries again.
    postponed: Option<String>,
}

/// How an attempt to start it went.
enum CommandStart<F> {
    /// It runs, and this completes with its exit.
    Running(F),
    /// The machine lacks a resource: nothing was run, and the wrapper tries again.
    Postponed,
    /// There is no command, or it cannot run.
    Failed,
}

impl PostExitCommand {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            child: None,
            timed_out: false,
            postponed: None,
        }
    }

    /// Starts it. `Err(None)` means that the machine lacks a resource: nothing was run, and the
    /// wrapper tries again.
    fn start(
        &mut self,
        facts: &ProcessFacts,
    ) -> Result<impl Future<Output = io::Result<Exit>> + use<>, Option<AfterExitFacts>> {
        // Its deadlines have passed, so nothing would end it.
        if self.timed_out {
            let why = self.postponed.take().unwrap_or_default();
            tracing::error!(error = %why, "the command after the exit could not be started in time");
            return Err(Some(AfterExitFacts::FailedToStart(why)));
        }
        match Child::spawn(&self.program, &environment(facts)) {
            Ok(mut child) => {
                let program = self.program.name.to_string_lossy();
                tracing::info!(pid = child.pid(), %program, "the command after the exit has started");
                let exit = child.exit();
                self.child = Some(child);
                Ok(exit)
            }
            Err(error) if error.is_transient() => {
                // Only once: there may be many attempts.
                if self.postponed.is_none() {
                    tracing::warn!(%error, "the command after the exit is tried again");
                }
                self.postponed = Some(error.to_string());
                Err(None)
            }
            Err(error) => {
                tracing::error!(%error, "the command after the exit could not be started");
                Err(Some(AfterExitFacts::FailedToStart(error.to_string())))
            }
        }
    }

    /// Sends it a signal; one that has ended meanwhile is no error. TERM also ends the attempts to
    /// start it.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), SignalError> {
        self.timed_out |= signal == Signal::TERM;
        let Some(child) = &self.child else {
            return Ok(());
        };
        if signal == Signal::TERM {
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

    /// Records its exit.
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

impl Supervised {
    /// Starts the command, if there is one, and records how that went.
    fn start_after_exit(&mut self) -> CommandStart<impl Future<Output = io::Result<Exit>> + use<>> {
        let Some(after_exit) = &mut self.after_exit else {
            return CommandStart::Failed;
        };
        match after_exit.start(&self.facts) {
            Ok(exit) => {
                self.facts.after_exit = Some(AfterExitFacts::Running);
                CommandStart::Running(exit)
            }
            Err(None) => CommandStart::Postponed,
            Err(Some(failed)) => {
                self.facts.after_exit = Some(failed);
                CommandStart::Failed
            }
        }
    }
}

impl Handle {
    /// Starts the command that runs after the exit, before this returns, so that it can be
    /// signalled. Where the machine lacks a resource, a task tries again. Returns the input for the
    /// lifecycle if the command has ended already.
    pub(super) fn run_after_exit(&self, supervised: &mut Supervised) -> Option<Input> {
        let handle = self.clone();
        let executor = &self.core.executor;
        match supervised.start_after_exit() {
            CommandStart::Running(exit) => {
                let waiting = async move { handle.after_exit_ended(exit.await) };
                executor.spawn(waiting).detach();
                None
            }
            CommandStart::Postponed => {
                let trying = async move { handle.run_after_exit_later().await };
                executor.spawn(trying).detach();
                None
            }
            CommandStart::Failed => Some(Input::AfterExitEnded),
        }
    }

    /// Tries to start it until it runs, cannot run, or its time is over.
    async fn run_after_exit_later(&self) {
        loop {
            MonotonicClock.sleep(RETRY_AFTER).await;
            let started = self.core.supervised.borrow_mut().start_after_exit();
            match started {
                CommandStart::Running(exit) => {
                    self.core.changed.notify(usize::MAX);
                    return self.after_exit_ended(exit.await);
                }
                CommandStart::Postponed => {}
                CommandStart::Failed => return self.apply_or_log(Input::AfterExitEnded),
            }
        }
    }

    fn after_exit_ended(&self, result: io::Result<Exit>) {
        let mut supervised = self.core.supervised.borrow_mut();
        if let Some(after_exit) = &mut supervised.after_exit {
            supervised.facts.after_exit = Some(after_exit.ended(result));
        }
        drop(supervised);
        self.apply_or_log(Input::AfterExitEnded);
    }
}

/// The variables that tell the command about the exit. One that does not apply is left out.
fn environment(facts: &ProcessFacts) -> Vec<(&'static str, String)> {
    let time = |time: SystemTime| rfc3339(time).to_string();
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
        (
            "PROCESS_WRAPPER_OUTCOME",
            facts.outcome.map(|outcome| outcome.to_string()),
        ),
        (
            "PROCESS_WRAPPER_SIGNALS",
            (!facts.signals.is_empty()).then(|| signals(&facts.signals)),
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

/// `SIGQUIT:request SIGTERM:deadline`, in the order in which they were sent. A shell splits it at
/// the spaces.
fn signals(sent: &[StageSignal]) -> String {
    let word = |sent: &StageSignal| format!("{}:{}", sent.signal, sent.cause.as_str());
    sent.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Outcome, State};

    #[test]
    fn a_command_is_not_started_after_its_time() {
        let program = Program {
            name: "true".into(),
            arguments: Vec::new(),
        };
        let facts = ProcessFacts {
            state: State::Gone,
            pid: 1,
            program: "sh".into(),
            started_at: SystemTime::UNIX_EPOCH,
            shutdown_requested_at: None,
            exited_at: None,
            exit: Some(Exit::Code(0)),
            requested: false,
            outcome: Some(Outcome::Unasked),
            signals: Vec::new(),
            signals_refused: 0,
            force_at: None,
            kill_at: None,
            after_exit: Some(AfterExitFacts::Pending),
            webhooks: Vec::new(),
        };
        let mut command = PostExitCommand::new(program);
        command.postponed = Some("no room".into());
        command.signal(Signal::TERM).unwrap();
        let failed = command.start(&facts).err();
        let why = AfterExitFacts::FailedToStart("no room".into());
        assert_eq!(failed, Some(Some(why)));
        assert_eq!(command.pid(), None);
    }
}
