//! The states of one process, in order.
//!
//! Owns the waits: each step is one call that the wrapper answers at the next state, so nothing
//! polls. It never confuses a process with its successor at the same address.

use std::time::Instant;

use super::calls::{AnswerTime, Calls, Failure, GET_STATE};
use super::error::Error;
use super::process::Process;
use crate::lifecycle::State;
use crate::pb::process_wrapper::v1::{self as pb, GetStateRequest, GetStateResponse};

/// Follows one process through its states. [`Client::watch`](super::Client::watch) creates it.
///
/// ```no_run
/// # use process_wrapper::client::{Client, Error, State};
/// # async fn example(client: Client) -> Result<(), Error> {
/// let mut watch = client.watch();
/// loop {
///     let process = watch.next().await?;
///     println!("{}", process.state);
///     if process.state == State::Gone {
///         return Ok(());
///     }
/// }
/// # }
/// ```
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

    /// Continues after an earlier answer.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let process = client.shut_down(&Shutdown::default()).await?;
    /// let next = client.watch().after(process).next().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn after(mut self, process: Process) -> Self {
        self.last = Some(process);
        self
    }

    /// Sets the deadline of the waits. Without one they have no limit.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let deadline = std::time::Instant::now() + Duration::from_secs(60);
    /// let gone = client.watch().until(Some(deadline)).reach(State::Gone).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The last answer of the wrapper. `None` before the first one.
    ///
    /// ```
    /// use process_wrapper::client::Client;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let watch = Client::new("unix:/run/control.sock".parse()?).watch();
    /// assert_eq!(watch.last(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn last(&self) -> Option<&Process> {
        self.last.as_ref()
    }

    /// The first call returns the current state; each later call waits for the next one.
    ///
    /// It may skip a state. Once the process is gone, it returns the same answer again. Dropping
    /// the future loses nothing.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, State};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let mut watch = client.watch();
    /// let mut process = watch.next().await?;
    /// while process.state < State::Gone {
    ///     println!("pid {} is {}", process.pid, process.state);
    ///     process = watch.next().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] at the deadline; [`Error::Replaced`] if another process runs at the
    /// address now; [`Error::Unreachable`], [`Error::Refused`] or [`Error::Malformed`].
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

    /// The current state.
    async fn now(&self) -> Result<Process, Error> {
        let request = GetStateRequest::default();
        let answer: GetStateResponse = self.calls.call(GET_STATE, &request, self.deadline).await?;
        Ok(Process::try_from(answer.process)?)
    }

    /// Waits until the process has left the state of `before`.
    async fn next_state(
        &self,
        before: &Process,
        wanted: pb::State,
        on_connected: impl Fn(),
    ) -> Result<Process, Error> {
        let request = GetStateRequest {
            wait_until: wanted.into(),
        };
        let answer_time = AnswerTime::Waiting(self.deadline);
        let mut attempts = self.calls.attempts();
        loop {
            let until = attempts.until();
            let attempt =
                self.calls
                    .attempt(None, GET_STATE, &request, answer_time, until, &on_connected);
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

    /// Waits for the end of the process `from`. `on_connected` is called on each connection, right
    /// before the request is sent.
    pub(super) async fn end(
        &self,
        from: &Process,
        on_connected: impl Fn(),
    ) -> Result<Process, Error> {
        let mut process = from.clone();
        while process.state < State::Gone {
            process = self
                .next_state(&process, pb::State::Gone, &on_connected)
                .await?;
        }
        Ok(process)
    }

    /// Waits until the process reaches `state` or a later one.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, State};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let mut watch = client.watch();
    /// if let Err(error) = watch.reach(State::Gone).await {
    ///     println!("{error}; last seen: {:?}", watch.last());
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
