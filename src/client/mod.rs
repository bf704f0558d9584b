//! A client of the control API: ask a process to drain, and wait until it is gone.
//!
//! Owns what a deployment tool needs: calls that are tried again while a wrapper starts, waits that
//! outlive a lost connection, answers as plain types. It never polls, spawns nothing and logs
//! nothing; each call has a connection of its own, which its future drives, so that it runs on any
//! executor.
//!
//! ```no_run
//! use std::time::Duration;
//! use process_wrapper::client::{Client, Shutdown};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("unix:///run/process-wrapper/control.sock".parse()?);
//! let hour = Duration::from_secs(3600);
//! let gone = smol::block_on(client.drain(&Shutdown::default(), Some(hour)))?;
//! println!("{:?}", gone.exit);
//! # Ok(())
//! # }
//! ```

mod calls;
mod drain;
mod error;
mod health;
mod identity;
mod process;
mod retry;
mod watch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub use self::error::{Error, Trouble};
pub use self::health::Health;
pub use self::identity::Identity;
pub use self::process::{
    AfterExit, AfterExitPhase, Malformed, Process, SentSignal, WebhookDelivery, WebhookPhase,
};
pub use self::watch::Watch;
pub use crate::address::Address;
pub use crate::grpc::rules::status::{Code, Status};
pub use crate::lifecycle::{Exit, Outcome, SignalCause, State, UnknownOutcome, UnknownState};

use self::calls::{Calls, KeepAlive};
use crate::pb::process_wrapper::v1 as pb;

const INITIATE: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";

/// How long a wrapper may take to listen and to answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls one wrapper. Cheap to clone; holds no connection.
#[derive(Debug, Clone)]
pub struct Client {
    calls: Calls,
}

/// What to ask for besides the shutdown itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Begin the abort stage if the process is still alive this long after the request: send the
    /// forceful signal, SIGTERM unless the wrapper was started with another one.
    pub force_after: Option<Duration>,
    /// Send SIGKILL if it is still alive this long after the abort stage began.
    pub kill_after: Option<Duration>,
    /// Send the signal of the present stage again if the last one is at least 1 s old: the repair
    /// for a process that has dropped it. It has no effect on a process that was not asked to stop.
    pub repeat_signal: bool,
    /// Call this once the process is gone.
    pub webhook: Option<Webhook>,
}

/// An HTTP request that the wrapper makes once the process is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhook {
    /// http or https.
    pub url: String,
    /// Empty: POST.
    pub method: String,
    /// Headers to send along.
    pub headers: BTreeMap<String, String>,
}

impl Client {
    /// A client of the wrapper that listens at `address`. Nothing is done yet.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self {
            calls: Calls {
                address,
                connect_timeout: CONNECT_TIMEOUT,
                keep_alive: KeepAlive::DEFAULT,
                identity: Identity::NONE,
            },
        }
    }

    /// Sets how long to keep trying to connect, and to connect again after a connection is lost; an
    /// answer that should come at once has the same time. [`CONNECT_TIMEOUT`] unless set.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.calls.connect_timeout = timeout;
        self
    }

    /// Sets who we are to the wrapper, and how we know it. The files are read for each connection.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.calls.identity = identity;
        self
    }

    /// Where the wrapper is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.calls.address
    }

    /// The process as it is now.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::Refused`] or [`Error::Malformed`].
    pub async fn state(&self) -> Result<Process, Error> {
        self.watch().next().await
    }

    /// Asks the process to finish what it is doing and exit; answers at once. Idempotent: asking
    /// again can only bring the deadlines nearer, and sends no second signal unless
    /// [`repeat_signal`](Shutdown::repeat_signal) is set.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_ARGUMENT` and others if nothing was signalled;
    /// [`Error::Unreachable`] or [`Error::Malformed`].
    pub async fn shut_down(&self, shutdown: &Shutdown) -> Result<Process, Error> {
        self.shut_down_by(shutdown, None).await
    }

    /// The same, given up at `deadline`. Whether the process was asked is not known then.
    pub(crate) async fn shut_down_by(
        &self,
        shutdown: &Shutdown,
        deadline: Option<Instant>,
    ) -> Result<Process, Error> {
        let request = pb::InitiateGracefulShutdownRequest {
            webhook: shutdown.webhook.clone().map(|webhook| pb::Webhook {
                url: webhook.url,
                method: webhook.method,
                headers: webhook.headers.into_iter().collect(),
            }),
            force_after: shutdown.force_after.map(duration),
            kill_after: shutdown.kill_after.map(duration),
            repeat_signal: shutdown.repeat_signal,
        };
        let answer: pb::InitiateGracefulShutdownResponse =
            self.calls.call(INITIATE, &request, deadline).await?;
        Ok(Process::try_from(answer.process)?)
    }

    /// Waits until the process has reached `state` or a later one; without a timeout for as long as
    /// it takes, over lost connections too.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with the process as it was seen last; [`Error::Replaced`] if another
    /// process has taken its place meanwhile; [`Error::Unreachable`], [`Error::Refused`] or
    /// [`Error::Malformed`].
    pub async fn wait_until(
        &self,
        state: State,
        timeout: Option<Duration>,
    ) -> Result<Process, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.watch().until(deadline).reach(state).await
    }

    /// Follows the process through its states, for those who show progress.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.calls.clone())
    }
}

/// The longest duration of the wire contract stands for everything beyond it.
fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    #[test]
    fn futures_may_move_between_threads() {
        let client = Client::new("unix:/nowhere".parse().unwrap());
        is_send(&client.state());
        is_send(&client.shut_down(&Shutdown::default()));
        is_send(&client.wait_until(State::Gone, None));
        is_send(&client.drain(&Shutdown::default(), None));
    }
}
