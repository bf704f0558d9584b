//! The errors of a call.
//!
//! Owns the errors and their texts. It never decides whether to retry, and names no option of the
//! command line.

use std::time::Duration;

use super::attempt_error::AttemptError;
use super::process::{Malformed, Process};
use crate::address::Address;
use crate::grpc::rules::status::{Code, Status};
use crate::human_duration::HumanDuration;
use crate::lifecycle::State;

/// Why a call has no answer.
///
/// ```
/// use process_wrapper::client::{Client, Code, Error};
///
/// async fn is_known(client: &Client, service: &str) -> Result<bool, Error> {
///     match client.health(service, None).await {
///         Ok(_) => Ok(true),
///         Err(Error::Refused { code: Code::NotFound, .. }) => Ok(false),
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not connect, or not connect again after a lost connection, within the
    /// connect timeout.
    #[error(
        "{address} cannot be reached: {cause} (attempts: {attempts}, in {})",
        short(tried_for)
    )]
    #[non_exhaustive]
    Unreachable {
        /// The address of the wrapper.
        address: Address,
        /// The error of the last attempt that reports one.
        cause: AttemptError,
        /// The number of attempts.
        attempts: u32,
        /// The time from the first attempt to the last.
        tried_for: Duration,
        /// The last answer before the connection was lost.
        last: Option<Box<Process>>,
    },
    /// The timeout of the wait has passed. The wrapper is reachable.
    #[error("the time to wait has passed{}", describe_last(last.as_deref()))]
    #[non_exhaustive]
    TimedOut {
        /// The last answer.
        last: Option<Box<Process>>,
    },
    /// The server refused the call, and a retry cannot help.
    #[error("the wrapper refused: {message} ({code})")]
    #[non_exhaustive]
    Refused {
        /// The status code of gRPC.
        code: Code,
        /// The reason of the server, and what to do.
        message: String,
    },
    /// Another process runs at this address now. The awaited process has ended, and its exit is
    /// unknown.
    #[error(
        "the awaited process (pid {}) has ended, and its exit is unknown: its wrapper was replaced \
         by one of {:?} (pid {})", before.pid, now.program, now.pid
    )]
    #[non_exhaustive]
    Replaced {
        /// The awaited process, as last seen.
        before: Box<Process>,
        /// The process that runs there now.
        now: Box<Process>,
    },
    /// The client cannot read the answer.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl From<Status> for Error {
    fn from(Status { code, message }: Status) -> Self {
        Self::Refused { code, message }
    }
}

impl Error {
    /// Adds the last answer before the call, if the error has none.
    pub(super) fn after(self, known: Option<&Process>) -> Self {
        let known = || known.cloned().map(Box::new);
        match self {
            Self::Unreachable {
                address,
                cause,
                attempts,
                tried_for,
                last,
            } => Self::Unreachable {
                address,
                cause,
                attempts,
                tried_for,
                last: last.or_else(known),
            },
            Self::TimedOut { last } => Self::TimedOut {
                last: last.or_else(known),
            },
            Self::Refused { .. } | Self::Replaced { .. } | Self::Malformed(_) => self,
        }
    }

    /// The last answer of the wrapper before the error.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// if let Err(error) = client.wait_until(State::Gone, Some(Duration::ZERO)).await {
    ///     println!("{error}; last seen: {:?}", error.last());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn last(&self) -> Option<&Process> {
        match self {
            Self::Unreachable { last, .. } | Self::TimedOut { last } => last.as_deref(),
            Self::Replaced { before, .. } => Some(before),
            Self::Refused { .. } | Self::Malformed(_) => None,
        }
    }
}

/// To a tenth of a second: more digits are noise.
fn short(duration: &Duration) -> HumanDuration {
    let tenths = u64::try_from(duration.as_millis() / 100).unwrap_or(u64::MAX);
    HumanDuration(Duration::from_millis(tenths.saturating_mul(100)))
}

fn describe_last(last: Option<&Process>) -> String {
    match last.map(|process| process.state) {
        Some(State::Gone) => "; the process is gone".to_owned(),
        Some(state) => format!("; the process is still {state}"),
        None => String::new(),
    }
}
