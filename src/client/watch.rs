//! The states of one process, one after the other.
//!
//! Owns the waiting: each step is one call that the wrapper answers when there is something to say,
//! so nothing polls. It never confuses a process with its successor at the same address.

use std::time::Instant;

use super::calls::{Calls, Failure, Patience};
use super::error::Error;
use super::process::Process;
use crate::lifecycle::State;
use crate::pb::process_wrapper::v1::{self as pb, GetStateRequest, GetStateResponse};

const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

/// Follows one process through its states. Made by [`Client::watch`](super::Client::watch).
#[derive(Debug, Clone)]
pub struct Watch {
    calls: Calls,
    deadline: Option<Instant>,
    last: Option<Process>,
}

impl Watch {
    pub(super) const fn new(calls: Calls) -> Self {
        Self {
            calls,
            deadline: None,
            last: None,
        }
    }

    /// Begins where an earlier answer left off.
    #[must_use]
    pub fn after(mut self, process: Process) -> Self {
        self.last = Some(process);
        self
    }

    /// Ends the wait at this time; without, it waits for as long as it takes.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// What the wrapper said last.
    #[must_use]
    pub const fn last(&self) -> Option<&Process> {
        self.last.as_ref()
    }

    /// At first the process as it is now, then as it is when its next state is reached; once it is
    /// gone, the same again. A state may be passed over. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] at the deadline, [`Error::Replaced`] if another process has taken its
    /// place, and those of every call.
    pub async fn next(&mut self) -> Result<Process, Error> {
        let answer = match &self.last {
            None => self.now().await,
            Some(last) => match last.state {
                State::Running => self.next_state(last, pb::State::ShuttingDown, || {}).await,
                State::ShuttingDown => self.next_state(last, pb::State::Gone, || {}).await,
                State::Gone => return Ok(last.clone()),
            },
        };
        let process = answer.map_err(|error| error.after(self.last.as_ref()))?;
        self.last = Some(process.clone());
        Ok(process)
    }

    /// The process as it is now.
    async fn now(&self) -> Result<Process, Error> {
        let request = GetStateRequest::default();
        let answer: GetStateResponse = self.calls.call(GET_STATE, &request, self.deadline).await?;
        Ok(Process::try_from(answer.process)?)
    }

    /// The process as it is once it has left the state that it was seen in last.
    async fn next_state(
        &self,
        before: &Process,
        wanted: pb::State,
        stands: impl Fn(),
    ) -> Result<Process, Error> {
        let request = GetStateRequest {
            wait_until: wanted.into(),
        };
        let patience = Patience::Waiting(self.deadline);
        let mut attempts = self.calls.attempts();
        loop {
            let until = attempts.until();
            let attempt = self
                .calls
                .attempt(GET_STATE, &request, patience, until, &stands);
            let answer: Result<GetStateResponse, Failure> = attempt.await;
            let process = match answer {
                Ok(answer) => Process::try_from(answer.process)?,
                Err(failure) => {
                    attempts.pause_after(failure, self.deadline).await?;
                    // Another process may be there by now, and no call waits for its next
                    // state: look before waiting again.
                    self.now().await?
                }
            };
            if !before.is_same_as(&process) {
                return Err(Error::Replaced {
                    before: Box::new(before.clone()),
                    now: Box::new(process),
                });
            }
            if process.state > before.state {
                return Ok(process);
            }
        }
    }

    /// The end of the process that was seen as `from`, in one call where nothing comes between.
    /// `stands` is called with the request as good as sent.
    pub(super) async fn end(&self, from: &Process, stands: impl Fn()) -> Result<Process, Error> {
        let mut process = from.clone();
        while process.state < State::Gone {
            process = self.next_state(&process, pb::State::Gone, &stands).await?;
        }
        Ok(process)
    }

    /// Waits until `state` or a later one is reached.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn reach(&mut self, state: State) -> Result<Process, Error> {
        loop {
            let process = self.next().await?;
            if process.state >= state {
                return Ok(process);
            }
        }
    }
}
