//! The request for a shutdown.
//!
//! Owns its parts, and their form on the wire. It never sends one, and validates nothing: the
//! wrapper does.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::pb::process_wrapper::v1 as pb;

/// What to request besides the shutdown itself.
///
/// ```
/// use std::time::Duration;
/// use process_wrapper::client::{Shutdown, Webhook};
///
/// let request = Shutdown::default()
///     .force_after(Duration::from_secs(3600))
///     .kill_after(Duration::from_secs(60))
///     .webhook(Webhook::new("https://ci.example/drained"));
/// assert_eq!(request.kill_after, Some(Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Shutdown {
    /// Time from the request to the abort stage, which begins with the forceful signal.
    pub force_after: Option<Duration>,
    /// Time from the beginning of the abort stage to SIGKILL.
    pub kill_after: Option<Duration>,
    /// Whether to send the signal of the present stage again if the last one is at least 1 s old.
    pub repeat_signal: bool,
    /// The webhook to call once the process is gone.
    pub webhook: Option<Webhook>,
}

impl Shutdown {
    /// Sets the time from the request to the abort stage, which begins with the forceful signal:
    /// SIGTERM unless the wrapper was started with another one. Zero sends it at once.
    #[must_use]
    pub const fn force_after(mut self, time: Duration) -> Self {
        self.force_after = Some(time);
        self
    }

    /// Sets the time from the beginning of the abort stage to SIGKILL. It has no effect on a
    /// process that never reaches that stage.
    #[must_use]
    pub const fn kill_after(mut self, time: Duration) -> Self {
        self.kill_after = Some(time);
        self
    }

    /// Sets whether to send the signal of the present stage again if the last one is at least 1 s
    /// old: the repair for a process that has dropped it. It has no effect on a process that was
    /// not asked to stop.
    ///
    /// ```no_run
    /// # use process_wrapper::client::{Client, Error, Shutdown, State};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let request = Shutdown::default().repeat_signal(true);
    /// if client.state().await?.state == State::ShuttingDown {
    ///     client.shut_down(&request).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn repeat_signal(mut self, repeat: bool) -> Self {
        self.repeat_signal = repeat;
        self
    }

    /// Sets the webhook to call once the process is gone.
    #[must_use]
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhook = Some(webhook);
        self
    }
}

/// An HTTP request that the wrapper makes once the process is gone.
///
/// Its `Debug` form leaves out the URL and the values of the headers, which may be secrets.
///
/// ```
/// use process_wrapper::client::Webhook;
///
/// let webhook = Webhook::new("https://ci.example/drained/s3cret")
///     .method("PUT")
///     .header("authorization", "Bearer t0ken");
/// let debug = format!("{webhook:?}");
/// assert!(debug.contains("authorization"));
/// assert!(!debug.contains("s3cret") && !debug.contains("t0ken"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Webhook {
    /// An http or https URL.
    pub url: String,
    /// The HTTP method. Empty means POST.
    pub method: String,
    /// Additional headers.
    pub headers: BTreeMap<String, String>,
}

impl Webhook {
    /// A POST request to an http or https URL, without additional headers.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: String::new(),
            headers: BTreeMap::new(),
        }
    }

    /// Sets the HTTP method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Adds a header, or replaces the one of this name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("method", &self.method)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

impl From<&Shutdown> for pb::InitiateGracefulShutdownRequest {
    fn from(shutdown: &Shutdown) -> Self {
        Self {
            webhook: shutdown.webhook.clone().map(|webhook| pb::Webhook {
                url: webhook.url,
                method: webhook.method,
                headers: webhook.headers.into_iter().collect(),
            }),
            force_after: shutdown.force_after.map(duration),
            kill_after: shutdown.kill_after.map(duration),
            repeat_signal: shutdown.repeat_signal,
        }
    }
}

/// Saturates at the longest duration of the protocol.
fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration {
        seconds: i64::MAX,
        nanos: 0,
    })
}
