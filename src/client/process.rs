//! What a wrapper says about its process.
//!
//! Owns the client's view of it and how it is read from the message. It never asks for it.

use std::time::SystemTime;

use crate::lifecycle::{Exit, Outcome, SignalCause, State};
use crate::pb::process_wrapper::v1 as pb;

/// The facts about a process, as its wrapper reports them. Times are those of the wrapper's clock.
///
/// ```
/// use process_wrapper::client::{Exit, Process, State};
///
/// fn report(process: &Process) -> String {
///     match (process.state, process.exit) {
///         (State::Gone, Some(Exit::Code(code))) => format!("{} exited: {code}", process.program),
///         (State::Gone, Some(exit)) => format!("{}: {exit}", process.program),
///         (state, _) => format!("{} (pid {}) is {state}", process.program, process.pid),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// How far it has come.
    pub state: State,
    /// Its process id as the wrapper sees it; after the exit it may belong to another process.
    pub pid: i32,
    /// The program as it was given, without its arguments.
    pub program: String,
    /// When it was started.
    pub started_at: Option<SystemTime>,
    /// When it was first asked to stop.
    pub shutdown_requested_at: Option<SystemTime>,
    /// When its exit was seen.
    pub exited_at: Option<SystemTime>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Whether the exit was asked for.
    pub requested: bool,
    /// How its shutdown went. `None` while it is alive, from a wrapper of version 0.1, and where a
    /// later wrapper names an outcome that this version does not know.
    pub outcome: Option<Outcome>,
    /// The last 16 signals of the drain, abort and kill stages that the wrapper sent, oldest first;
    /// empty from a wrapper of version 0.1.
    pub signals: Vec<SentSignal>,
    /// When the abort stage begins if it is still alive: the wrapper sends its forceful signal,
    /// SIGTERM unless it was started with another one.
    pub force_at: Option<SystemTime>,
    /// When SIGKILL will be sent if it is still alive; not known before the abort stage.
    pub kill_at: Option<SystemTime>,
    /// The command that runs after the exit, if there is one.
    pub after_exit: Option<AfterExit>,
    /// The webhooks, in the order in which they were registered.
    pub webhooks: Vec<WebhookDelivery>,
}

/// A signal that the wrapper sent to the process.
///
/// ```
/// use process_wrapper::client::{Process, SignalCause};
///
/// fn deadline_signals(process: &Process) -> Vec<&str> {
///     let signals = process.signals.iter();
///     let by_deadline = signals.filter(|signal| signal.cause == Some(SignalCause::Deadline));
///     by_deadline.map(|signal| &*signal.name).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentSignal {
    /// The number, `signal(7)`, on the wrapper's machine.
    pub number: i32,
    /// The name, such as `SIGTERM`.
    pub name: String,
    /// When the wrapper sent it.
    pub sent_at: Option<SystemTime>,
    /// Why. `None` where a later wrapper names a cause that this version does not know.
    pub cause: Option<SignalCause>,
}

/// The state of the command that runs after the exit.
///
/// ```
/// use process_wrapper::client::{AfterExitPhase, Process};
///
/// fn clean_up_failed(process: &Process) -> bool {
///     let command = process.after_exit.as_ref();
///     command.is_some_and(|command| command.phase == AfterExitPhase::FailedToStart)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AfterExit {
    /// How far it has come.
    pub phase: AfterExitPhase,
    /// How it ended.
    pub exit: Option<Exit>,
    /// What went wrong, if it could not be started; empty otherwise.
    pub error: String,
}

/// How far the command that runs after the exit has come.
///
/// ```
/// use process_wrapper::client::AfterExitPhase;
///
/// fn is_over(phase: AfterExitPhase) -> bool {
///     !matches!(phase, AfterExitPhase::Pending | AfterExitPhase::Running)
/// }
/// assert!(is_over(AfterExitPhase::TimedOut));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AfterExitPhase {
    /// The process is not gone yet.
    Pending,
    /// It runs.
    Running,
    /// It ended by itself or by a signal.
    Ended,
    /// It could not be started.
    FailedToStart,
    /// It was ended because it ran out of time.
    TimedOut,
}

/// The state of the delivery of one webhook.
///
/// ```
/// use process_wrapper::client::{Process, WebhookPhase};
///
/// fn undelivered(process: &Process) -> Vec<String> {
///     let failed = |phase| phase == WebhookPhase::Failed;
///     let webhooks = process.webhooks.iter().filter(|webhook| failed(webhook.phase));
///     webhooks.map(|webhook| format!("{}: {}", webhook.target, webhook.last_error)).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookDelivery {
    /// The `webhook-id` header of every attempt.
    pub id: String,
    /// Scheme and host; paths can be secrets.
    pub target: String,
    /// How far it has come.
    pub phase: WebhookPhase,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt will be made.
    pub next_attempt_at: Option<SystemTime>,
    /// What came of the last attempt that failed; empty if there is none.
    pub last_error: String,
    /// Whether an earlier wrapper accepted it, for its own process, and did not deliver it.
    pub recovered: bool,
}

/// How far the delivery of a webhook has come.
///
/// ```
/// use process_wrapper::client::WebhookPhase;
///
/// fn is_over(phase: WebhookPhase) -> bool {
///     phase != WebhookPhase::Pending
/// }
/// assert!(is_over(WebhookPhase::Delivered));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookPhase {
    /// It waits for the exit, or for its next attempt.
    Pending,
    /// It was answered with 2xx.
    Delivered,
    /// It was given up.
    Failed,
}

/// An answer that this version cannot read: the server is no `process-wrapper`, or a newer one.
///
/// ```
/// use process_wrapper::client::{Client, Error};
///
/// async fn is_wrapper(client: &Client) -> Result<bool, Error> {
///     match client.state().await {
///         Ok(_) => Ok(true),
///         Err(Error::Malformed(_)) => Ok(false),
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be understood: {0}; is the server a process-wrapper of this version?")]
pub struct Malformed(pub(super) String);

impl Process {
    /// Whether the process is gone, and may have left its work unfinished. False if it drained; if
    /// it was not asked to stop, or its wrapper tells no outcome, false after exit code 0.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, State};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let gone = client.wait_until(State::Gone, None).await?;
    /// if gone.failed() {
    ///     println!("{:?}: {:?}", gone.outcome, gone.exit);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn failed(&self) -> bool {
        self.state == State::Gone
            && match self.outcome {
                Some(Outcome::Drained) => false,
                Some(Outcome::Failed | Outcome::Aborted | Outcome::Killed | Outcome::Lost) => true,
                Some(Outcome::Unasked) | None => self.exit != Some(Exit::Code(0)),
            }
    }

    /// Whether both are about the same process, not one about its successor.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started_at == other.started_at
    }
}

impl TryFrom<Option<pb::Process>> for Process {
    type Error = Malformed;

    fn try_from(message: Option<pb::Process>) -> Result<Self, Malformed> {
        let message =
            message.ok_or_else(|| Malformed("it says nothing of a process".to_owned()))?;
        let state = match pb::State::try_from(message.state) {
            Ok(pb::State::Running) => State::Running,
            Ok(pb::State::ShuttingDown) => State::ShuttingDown,
            Ok(pb::State::Gone) => State::Gone,
            Ok(pb::State::Unknown) | Err(_) => {
                return Err(Malformed(format!("its state is {}", message.state)));
            }
        };
        Ok(Self {
            state,
            pid: message.pid,
            program: message.program,
            started_at: time(message.started_at)?,
            shutdown_requested_at: time(message.shutdown_requested_at)?,
            exited_at: time(message.exited_at)?,
            exit: exit(message.exit_code, message.exit_signal, message.core_dumped)?,
            requested: message.requested,
            outcome: pb::process::Outcome::try_from(message.outcome)
                .ok()
                .and_then(outcome),
            signals: message
                .signals
                .into_iter()
                .map(SentSignal::try_from)
                .collect::<Result<_, _>>()?,
            force_at: time(message.force_at)?,
            kill_at: time(message.kill_at)?,
            after_exit: message.after_exit.map(AfterExit::try_from).transpose()?,
            webhooks: message
                .webhooks
                .into_iter()
                .map(WebhookDelivery::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn outcome(message: pb::process::Outcome) -> Option<Outcome> {
    match message {
        pb::process::Outcome::Unknown => None,
        pb::process::Outcome::Drained => Some(Outcome::Drained),
        pb::process::Outcome::Failed => Some(Outcome::Failed),
        pb::process::Outcome::Aborted => Some(Outcome::Aborted),
        pb::process::Outcome::Killed => Some(Outcome::Killed),
        pb::process::Outcome::Unasked => Some(Outcome::Unasked),
        pb::process::Outcome::Lost => Some(Outcome::Lost),
    }
}

impl TryFrom<pb::SentSignal> for SentSignal {
    type Error = Malformed;

    fn try_from(message: pb::SentSignal) -> Result<Self, Malformed> {
        use pb::sent_signal::Cause;
        let cause = match Cause::try_from(message.cause) {
            Ok(Cause::Request) => Some(SignalCause::Request),
            Ok(Cause::Deadline) => Some(SignalCause::Deadline),
            Ok(Cause::Forwarded) => Some(SignalCause::Forwarded),
            Ok(Cause::Unknown) | Err(_) => None,
        };
        Ok(Self {
            number: message.number,
            name: message.name,
            sent_at: time(message.sent_at)?,
            cause,
        })
    }
}

impl TryFrom<pb::AfterExit> for AfterExit {
    type Error = Malformed;

    fn try_from(message: pb::AfterExit) -> Result<Self, Malformed> {
        use pb::after_exit::Phase;
        let phase = match Phase::try_from(message.phase) {
            Ok(Phase::Pending) => AfterExitPhase::Pending,
            Ok(Phase::Running) => AfterExitPhase::Running,
            Ok(Phase::Ended) => AfterExitPhase::Ended,
            Ok(Phase::FailedToStart) => AfterExitPhase::FailedToStart,
            Ok(Phase::TimedOut) => AfterExitPhase::TimedOut,
            Ok(Phase::Unknown) | Err(_) => {
                let text = format!("the phase of its after-exit command is {}", message.phase);
                return Err(Malformed(text));
            }
        };
        Ok(Self {
            phase,
            exit: exit(message.exit_code, message.exit_signal, false)?,
            error: message.error,
        })
    }
}

impl TryFrom<pb::WebhookDelivery> for WebhookDelivery {
    type Error = Malformed;

    fn try_from(message: pb::WebhookDelivery) -> Result<Self, Malformed> {
        use pb::webhook_delivery::Phase;
        let phase = match Phase::try_from(message.phase) {
            Ok(Phase::Pending) => WebhookPhase::Pending,
            Ok(Phase::Delivered) => WebhookPhase::Delivered,
            Ok(Phase::Failed) => WebhookPhase::Failed,
            Ok(Phase::Unknown) | Err(_) => {
                let text = format!("the phase of a webhook is {}", message.phase);
                return Err(Malformed(text));
            }
        };
        Ok(Self {
            id: message.id,
            target: message.target,
            phase,
            attempts: message.attempts,
            next_attempt_at: time(message.next_attempt_at)?,
            last_error: message.last_error,
            recovered: message.recovered,
        })
    }
}

fn time(value: Option<prost_types::Timestamp>) -> Result<Option<SystemTime>, Malformed> {
    let out_of_range = |error| Malformed(format!("a time is out of range: {error}"));
    value
        .map(SystemTime::try_from)
        .transpose()
        .map_err(out_of_range)
}

fn exit(code: Option<i32>, signal: Option<i32>, core: bool) -> Result<Option<Exit>, Malformed> {
    let byte = |name: &str, value: i32| {
        u8::try_from(value).map_err(|_| Malformed(format!("an exit {name} is {value}")))
    };
    Ok(match (code, signal) {
        (None, None) => None,
        (_, Some(number)) => Some(Exit::Signal {
            number: byte("signal", number)?,
            core_dumped: core,
        }),
        (Some(code), None) => Some(Exit::Code(byte("code", code)?)),
    })
}

#[cfg(test)]
mod tests;
