//! What can come of a call instead of an answer.
//!
//! Owns the errors and what they say. It never decides whether to try again.

use std::io;
use std::time::Duration;

use super::process::{Malformed, Process};
use crate::address::Address;
use crate::grpc::client::GrpcError;
use crate::grpc::rules::status::Status;
use crate::human_duration::HumanDuration;
use crate::lifecycle::State;
use crate::net::connect::ConnectError;
use crate::net::reload::ReloadError;
use crate::net::tls::TlsError;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection came about, or the one that was lost could not be made again, in the time that
    /// was given for it.
    #[error(
        "{address} cannot be reached: {trouble} (attempts: {attempts}, in {})",
        short(tried_for)
    )]
    Unreachable {
        /// Where.
        address: Address,
        /// What came of the last attempt.
        trouble: Trouble,
        /// How often it was tried.
        attempts: u32,
        /// For how long it was tried.
        tried_for: Duration,
        /// What the wrapper said last, before its connection was lost.
        last: Option<Box<Process>>,
    },
    /// The time that was given for the wait has passed. The wrapper can be reached.
    #[error("the time to wait has passed{}", describe_last(last.as_deref()))]
    TimedOut {
        /// What the wrapper said last.
        last: Option<Box<Process>>,
    },
    /// The server refused the call.
    #[error("the wrapper refused: {} ({:?})", .0.message, .0.code)]
    Refused(Status),
    /// At this address there is another process now: the one that was waited for has ended, and how
    /// is not known.
    #[error(
        "the process that was waited for (pid {}) has ended, how is not known: its wrapper was \
         replaced by one of {:?} (pid {})", before.pid, now.program, now.pid
    )]
    Replaced {
        /// The process that was waited for, as it was seen last.
        before: Box<Process>,
        /// The process that is there now.
        now: Box<Process>,
    },
    /// The answer cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What came of one attempt to call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// What we were to show cannot be read.
    #[error(transparent)]
    Identity(#[from] ReloadError),
    /// There is no TLS between us.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer does not speak HTTP/2 as it should.
    #[error("{0}; is it a process-wrapper that listens there?")]
    Http2(#[from] GrpcError),
    /// The server on this tcp port does not speak HTTP/2 in plaintext.
    #[error(
        "HTTP/2 is not spoken there in plaintext ({0}); is it a process-wrapper that listens there? \
         if it asks for TLS, use --tls-ca"
    )]
    Plaintext(String),
    /// The peer has shaken hands and then closed the connection: a server judges our certificate
    /// after that.
    #[error(
        "the connection was closed after the TLS handshake ({0}); the wrapper may ask for a certificate \
         (--tls-cert), or not accept ours: its authority, its dates, its names; the wrapper's log says \
         which"
    )]
    Unwelcome(String),
    /// The peer closed the connection without a word.
    #[error(
        "the connection was closed before anything was answered; perhaps this user may not call"
    )]
    Closed,
    /// The peer took the connection, or seemed to, and said nothing in time.
    #[error("there is no answer; is the wrapper stopped, or the network broken?")]
    Silent,
    /// The server said that it is not available, or the connection was lost during the call.
    #[error("{}", .0.message)]
    Unavailable(Status),
}

impl Trouble {
    /// Whether trying again cannot help.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Identity(_)
            | Self::Tls(
                TlsError::NoHttp2
                | TlsError::Plaintext
                | TlsError::NotAllowed(_)
                | TlsError::ServerName(_),
            ) => true,
            // Not trusted or not understood, and not merely cut off.
            Self::Tls(TlsError::Handshake(error)) => error.kind() == io::ErrorKind::InvalidData,
            Self::Connect(ConnectError::Unix { source, .. }) => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            Self::Connect(
                ConnectError::Busy { .. } | ConnectError::Resolve { .. } | ConnectError::Tcp { .. },
            )
            | Self::Http2(_)
            | Self::Plaintext(_)
            | Self::Unwelcome(_)
            | Self::Closed
            | Self::Silent
            | Self::Unavailable(_) => false,
        }
    }

    /// The meaning before the first answer on a connection to a socket file. The server closes a
    /// connection that it does not admit at once, which resets the data that was sent.
    pub(super) fn on_unix(self) -> Self {
        if matches!(&self, Self::Http2(GrpcError::Http2(error)) if error.is_io()) {
            Self::Closed
        } else {
            self
        }
    }

    /// What it means before the first answer on a tcp connection.
    pub(super) fn on_tcp(self, tls: bool) -> Self {
        let cause = match &self {
            Self::Http2(GrpcError::Http2(error)) => error.to_string(),
            Self::Closed => "it was closed without a word".to_owned(),
            Self::Http2(GrpcError::Authority(_))
            | Self::Connect(_)
            | Self::Identity(_)
            | Self::Tls(_)
            | Self::Plaintext(_)
            | Self::Unwelcome(_)
            | Self::Silent
            | Self::Unavailable(_) => return self,
        };
        if tls {
            Self::Unwelcome(cause)
        } else {
            Self::Plaintext(cause)
        }
    }
}

impl Error {
    /// The same, with what was known before the call.
    pub(super) fn after(self, known: Option<&Process>) -> Self {
        let known = || known.cloned().map(Box::new);
        match self {
            Self::Unreachable {
                address,
                trouble,
                attempts,
                tried_for,
                last,
            } => Self::Unreachable {
                address,
                trouble,
                attempts,
                tried_for,
                last: last.or_else(known),
            },
            Self::TimedOut { last } => Self::TimedOut {
                last: last.or_else(known),
            },
            Self::Refused(_) | Self::Replaced { .. } | Self::Malformed(_) => self,
        }
    }

    /// What the wrapper said of its process before things went wrong.
    #[must_use]
    pub fn last(&self) -> Option<&Process> {
        match self {
            Self::Unreachable { last, .. } | Self::TimedOut { last } => last.as_deref(),
            Self::Replaced { before, .. } => Some(before),
            Self::Refused(_) | Self::Malformed(_) => None,
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
