//! The command that runs once the process is gone: started, signalled, and its result kept.
//!
//! Owns its environment, the words for how it went, and the patience where the machine is too short of something
//! to start it. It never decides when it runs or how long it may: `lifecycle` does.

use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, MonotonicClock};
use crate::lifecycle::{Exit, Input};
use crate::process::child::{Child, Program, SignalError};
use crate::signal::Signal;
use crate::supervisor::facts::{AfterExitFacts, Facts};
use crate::supervisor::{Handle, Supervised};
use crate::timestamp::rfc3339;

/// How long after a start for which the machine had too little it is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// The command, and the process that it has become.
#[derive(Debug)]
pub(super) struct AfterExit {
    program: Program,
    child: Option<Child>,
    /// Whether it was told to end because its time was over.
    timed_out: bool,
    /// Why the last start has failed that is to be tried again, if one has.
    postponed: Option<String>,
}

/// How a start went.
enum Start<F> {
    /// It runs, and this completes with its exit.
    Running(F),
    /// The machine is short of something: nothing was run, and it is to be tried again.
    Postponed,
    /// There is none, or it will not run.
    Failed,
}

impl AfterExit {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            child: None,
            timed_out: false,
            postponed: None,
        }
    }

    /// Starts it. `Err` says how it failed, or nothing if the machine is short of something: then nothing was
    /// run, and it is to be tried again.
    fn start(
        &mut self,
        facts: &Facts,
    ) -> Result<impl Future<Output = io::Result<Exit>> + use<>, Option<AfterExitFacts>> {
        // Nobody would end what starts after its time.
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
            Err(error) if error.is_passing() => {
                // Once: it may take many tries.
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

    /// Sends it a signal. One that has ended meanwhile is no error; one that has not started yet will not
    /// be tried for much longer.
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

impl Supervised {
    /// Starts the command, if there is one, and keeps how that went.
    fn start_after_exit(&mut self) -> Start<impl Future<Output = io::Result<Exit>> + use<>> {
        let Some(after_exit) = &mut self.after_exit else {
            return Start::Failed;
        };
        match after_exit.start(&self.facts) {
            Ok(exit) => {
                self.facts.after_exit = Some(AfterExitFacts::Running);
                Start::Running(exit)
            }
            Err(None) => Start::Postponed,
            Err(Some(failed)) => {
                self.facts.after_exit = Some(failed);
                Start::Failed
            }
        }
    }
}

impl Handle {
    /// Starts the command that runs after the exit; it is started before this returns, so that it can be
    /// signalled, unless the machine is short of something. Answers with what is to be told to the
    /// lifecycle if it has ended already.
    pub(super) fn run_after_exit(&self, supervised: &mut Supervised) -> Option<Input> {
        let handle = self.clone();
        let executor = &self.shared.executor;
        match supervised.start_after_exit() {
            Start::Running(exit) => {
                let waiting = async move { handle.after_exit_ended(exit.await) };
                executor.spawn(waiting).detach();
                None
            }
            Start::Postponed => {
                let trying = async move { handle.run_after_exit_later().await };
                executor.spawn(trying).detach();
                None
            }
            Start::Failed => Some(Input::AfterExitEnded),
        }
    }

    /// Tries to start it until it runs, or fails for good, or its time is over.
    async fn run_after_exit_later(&self) {
        loop {
            MonotonicClock.sleep(AGAIN).await;
            let started = self.shared.supervised.borrow_mut().start_after_exit();
            match started {
                Start::Running(exit) => {
                    self.shared.changed.notify(usize::MAX);
                    return self.after_exit_ended(exit.await);
                }
                Start::Postponed => {}
                Start::Failed => return self.apply_or_log(Input::AfterExitEnded),
            }
        }
    }

    fn after_exit_ended(&self, result: io::Result<Exit>) {
        let mut supervised = self.shared.supervised.borrow_mut();
        if let Some(after_exit) = &mut supervised.after_exit {
            supervised.facts.after_exit = Some(after_exit.ended(result));
        }
        drop(supervised);
        self.apply_or_log(Input::AfterExitEnded);
    }
}

/// What the command is told. A variable that does not apply is left out.
fn environment(facts: &Facts) -> Vec<(&'static str, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::State;

    #[test]
    fn it_is_not_started_after_its_time_however_much_there_is_by_then() {
        let program = Program {
            name: "true".into(),
            arguments: Vec::new(),
        };
        let facts = Facts {
            state: State::Gone,
            pid: 1,
            program: "sh".into(),
            started_at: SystemTime::UNIX_EPOCH,
            shutdown_requested_at: None,
            exited_at: None,
            exit: Some(Exit::Code(0)),
            requested: false,
            force_at: None,
            kill_at: None,
            after_exit: Some(AfterExitFacts::Pending),
            webhooks: Vec::new(),
        };
        let mut command = AfterExit::new(program);
        command.postponed = Some("no room".into());
        command.signal(Signal::TERM).unwrap();
        let failed = command.start(&facts).err();
        let why = AfterExitFacts::FailedToStart("no room".into());
        assert_eq!(failed, Some(Some(why)));
        assert_eq!(command.pid(), None);
    }
}
