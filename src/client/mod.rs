//! A client of the control API: ask a process to drain, and wait until it is gone.
//!
//! Owns what a deployment tool needs: calls that are tried again while a wrapper starts, waits that
//! outlive a lost connection, answers as plain types. It never polls, spawns no task and logs
//! nothing. Each call has a connection of its own, which its future drives, so that any executor
//! can run it. Name lookups and reads of an [`Identity`] take a short-lived thread each.
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

pub(crate) mod attempt_error;
mod calls;
mod drain;
mod error;
mod health;
mod identity;
mod process;
mod request;
mod retry;
mod watch;

use std::time::{Duration, Instant};

pub use self::attempt_error::{AttemptError, AttemptErrorKind};
pub use self::error::Error;
pub use self::health::Health;
pub use self::identity::{Identity, InvalidIdentity};
pub use self::process::{
    AfterExit, AfterExitPhase, Malformed, Process, SentSignal, WebhookDelivery, WebhookPhase,
};
pub use self::request::{Shutdown, Webhook};
pub use self::watch::Watch;
pub use crate::address::{Address, Host, InvalidAddress};
pub use crate::grpc::rules::status::Code;
pub use crate::lifecycle::{Exit, Outcome, SignalCause, State, UnknownOutcome, UnknownState};

use self::calls::{Calls, KeepAlive};
use crate::pb::process_wrapper::v1 as pb;

const INITIATE: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";

/// The default of [`Client::connect_timeout`].
///
/// ```
/// assert_eq!(process_wrapper::client::CONNECT_TIMEOUT.as_secs(), 5);
/// ```
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls one wrapper. Cheap to clone; holds no connection.
///
/// ```no_run
/// use std::time::Duration;
/// use process_wrapper::client::Client;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new("tcp://localhost:7777".parse()?)
///     .connect_timeout(Duration::from_secs(60));
/// println!("{}", client.state().await?.state);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    calls: Calls,
}

impl Client {
    /// Creates a client of the wrapper at `address`. It performs no I/O.
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

    /// Sets how long to retry a connection, also after a connection is lost. An answer that needs
    /// no wait must come within the same time. Default: [`CONNECT_TIMEOUT`].
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.calls.connect_timeout = timeout;
        self
    }

    /// Sets the credentials and the trusted authorities. Each connection reads the files again.
    ///
    /// ```
    /// use process_wrapper::client::{Client, Identity};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::default()
    ///     .authorities("/etc/wrapper/ca.pem")
    ///     .token("/etc/wrapper/token");
    /// let client = Client::new("tcp://runner-1.example:7777".parse()?).identity(identity);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.calls.identity = identity;
        self
    }

    /// The address of the wrapper.
    ///
    /// ```
    /// use process_wrapper::client::Client;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::new("unix:/run/control.sock".parse()?);
    /// assert_eq!(client.address().to_string(), "unix:///run/control.sock");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.calls.address
    }

    /// Whether calls carry a token.
    #[cfg(feature = "wrapper")]
    pub(crate) const fn has_token(&self) -> bool {
        self.calls.identity.token.is_some()
    }

    /// Returns the current state of the process.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// println!("pid {}", client.state().await?.pid);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::Refused`] or [`Error::Malformed`].
    pub async fn state(&self) -> Result<Process, Error> {
        self.watch().next().await
    }

    /// Requests the graceful shutdown and returns at once.
    ///
    /// It is idempotent: a second request can only shorten deadlines, and sends no second signal
    /// unless [`repeat_signal`](Shutdown::repeat_signal) is set.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let request = Shutdown::default().force_after(Duration::from_secs(3600));
    /// let process = client.shut_down(&request).await?;
    /// assert!(process.state >= State::ShuttingDown);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if no signal was sent, for example with [`Code::InvalidArgument`];
    /// [`Error::Unreachable`] or [`Error::Malformed`].
    pub async fn shut_down(&self, shutdown: &Shutdown) -> Result<Process, Error> {
        self.shut_down_by(shutdown, None).await
    }

    /// The same with a deadline. After it, the request may or may not have arrived.
    pub(crate) async fn shut_down_by(
        &self,
        shutdown: &Shutdown,
        deadline: Option<Instant>,
    ) -> Result<Process, Error> {
        self.shut_down_process(None, shutdown, deadline).await
    }

    /// The same; fails with [`Error::Replaced`] unless the process is `meant`.
    async fn shut_down_process(
        &self,
        meant: Option<&Process>,
        shutdown: &Shutdown,
        deadline: Option<Instant>,
    ) -> Result<Process, Error> {
        let request = pb::InitiateGracefulShutdownRequest::from(shutdown);
        let answer = self.calls.call_about(meant, INITIATE, &request, deadline);
        let answer: pb::InitiateGracefulShutdownResponse = answer.await?;
        Ok(Process::try_from(answer.process)?)
    }

    /// Waits until the process reaches `state` or a later one, also across lost connections.
    /// Without a timeout the wait has no limit.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let minute = Duration::from_secs(60);
    /// let gone = client.wait_until(State::Gone, Some(minute)).await?;
    /// println!("{:?}", gone.exit);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] with the last answer; [`Error::Replaced`] if another process runs at the
    /// address now; [`Error::Unreachable`], [`Error::Refused`] or [`Error::Malformed`].
    pub async fn wait_until(
        &self,
        state: State,
        timeout: Option<Duration>,
    ) -> Result<Process, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.watch().until(deadline).reach(state).await
    }

    /// Follows the process through its states, to show progress.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, State};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let mut watch = client.watch();
    /// println!("now {}", watch.next().await?.state);
    /// let asked = watch.reach(State::ShuttingDown).await?;
    /// println!("asked to stop at {:?}", asked.shutdown_requested_at);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.calls.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    fn is_send_and_sync<T: Send + Sync>() {}

    #[test]
    fn types_may_be_shared_between_threads() {
        is_send_and_sync::<Client>();
        is_send_and_sync::<Watch>();
        is_send_and_sync::<Process>();
        is_send_and_sync::<Error>();
        is_send_and_sync::<InvalidIdentity>();
    }

    #[test]
    fn futures_may_move_between_threads() {
        let client = Client::new("unix:/nowhere".parse().unwrap());
        is_send(&client.state());
        is_send(&client.shut_down(&Shutdown::default()));
        is_send(&client.wait_until(State::Gone, None));
        is_send(&client.drain(&Shutdown::default(), None));
    }
}
