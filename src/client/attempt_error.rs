//! The error of one attempt to call.
//!
//! Owns its causes, their texts, and whether a retry can help. It never retries, and names no
//! option of the command line. The types of the transport stay private.

use std::io;

use rustix::io::Errno;

use super::identity::InvalidIdentity;
use crate::grpc::client::GrpcError;
use crate::grpc::rules::status::Status;
use crate::net::connect::ConnectError;
use crate::net::tls::{TlsError, explain_io, is_alert};

/// Why one attempt to call has no answer. [`source`](std::error::Error::source) is the error of the
/// system, where there is one.
///
/// ```
/// use std::time::Duration;
/// use process_wrapper::client::{AttemptErrorKind, Client, Error};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new("unix:/no/such/socket".parse()?).connect_timeout(Duration::ZERO);
/// let Err(Error::Unreachable { cause, .. }) = smol::block_on(client.state()) else {
///     panic!("no wrapper listens there");
/// };
/// assert_eq!(cause.kind(), AttemptErrorKind::NotListening);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct AttemptError(AttemptCause);

/// What kind of error an [`AttemptError`] is.
///
/// ```
/// use process_wrapper::client::{AttemptErrorKind, Error};
///
/// /// Whether the wrapper has exited, or has not started.
/// fn is_down(error: &Error) -> bool {
///     match error {
///         Error::Unreachable { cause, .. } => cause.kind() == AttemptErrorKind::NotListening,
///         _ => false,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptErrorKind {
    /// The peer's machine says that nothing listens at the address.
    NotListening,
    /// The connection failed for another reason.
    Connect,
    /// A file of the [`Identity`](super::Identity) cannot be used.
    Identity,
    /// The TLS handshake failed.
    Tls,
    /// The server does not speak TLS.
    TlsUnsupported,
    /// The server name is neither a DNS name nor an IP address.
    ServerName,
    /// The peer does not speak HTTP/2 as RFC 9113 requires.
    Http2,
    /// The peer does not speak HTTP/2 in plaintext. It may require TLS.
    Plaintext,
    /// The peer closed the connection after the TLS handshake. It may have rejected the
    /// certificate of the client.
    ClosedAfterTls,
    /// The peer closed the connection before an answer.
    Closed,
    /// The peer did not answer in time.
    NoAnswer,
    /// The server is unavailable, or the connection was lost during the call.
    Unavailable,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptCause {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    #[error("no thread can be started to read the files of the identity: {0}")]
    Thread(io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{0}; is it a process-wrapper that listens there?")]
    Http2(#[from] GrpcError),
    #[error(
        "HTTP/2 is not spoken there in plaintext ({0}); is it a process-wrapper that listens there?"
    )]
    Plaintext(String),
    /// A server judges the certificate of a client after the handshake (TLS 1.3).
    #[error(
        "the connection was closed after the TLS handshake ({why}); the wrapper may ask for a \
         certificate, or not accept ours: its authority, its dates, its names; the wrapper's log \
         says which"
    )]
    ClosedAfterTls {
        why: String,
        /// The server said so itself (RFC 8446 section 6.2).
        alert: bool,
    },
    #[error(
        "the connection was closed before anything was answered; perhaps this user may not call, \
         or the listener is full; the wrapper's log says which"
    )]
    Closed,
    #[error("there is no answer; is the wrapper stopped, or the network broken?")]
    NoAnswer,
    #[error("{}", .0.message)]
    Unavailable(Status),
}

impl AttemptError {
    pub(crate) const fn new(cause: AttemptCause) -> Self {
        Self(cause)
    }

    /// The kind of the error, for programs.
    #[must_use]
    pub fn kind(&self) -> AttemptErrorKind {
        match &self.0 {
            AttemptCause::Connect(error) if is_not_listening(error) => {
                AttemptErrorKind::NotListening
            }
            AttemptCause::Connect(_) => AttemptErrorKind::Connect,
            AttemptCause::Identity(_) | AttemptCause::Thread(_) => AttemptErrorKind::Identity,
            AttemptCause::Tls(TlsError::Plaintext) => AttemptErrorKind::TlsUnsupported,
            AttemptCause::Tls(TlsError::ServerName(_)) => AttemptErrorKind::ServerName,
            AttemptCause::Tls(
                TlsError::Handshake(_) | TlsError::NoHttp2 | TlsError::NotAllowed(_),
            ) => AttemptErrorKind::Tls,
            AttemptCause::Http2(_) => AttemptErrorKind::Http2,
            AttemptCause::Plaintext(_) => AttemptErrorKind::Plaintext,
            AttemptCause::ClosedAfterTls { .. } => AttemptErrorKind::ClosedAfterTls,
            AttemptCause::Closed => AttemptErrorKind::Closed,
            AttemptCause::NoAnswer => AttemptErrorKind::NoAnswer,
            AttemptCause::Unavailable(_) => AttemptErrorKind::Unavailable,
        }
    }
}

fn is_not_listening(error: &ConnectError) -> bool {
    let refused = |error: &io::Error| {
        matches!(
            Errno::from_io_error(error),
            Some(Errno::NOENT | Errno::CONNREFUSED)
        )
    };
    match error {
        ConnectError::Unix { source, .. } => refused(source),
        ConnectError::Tcp { attempts, .. } => {
            !attempts.0.is_empty() && attempts.0.iter().all(|(_, error)| refused(error))
        }
        ConnectError::NotASocket { .. }
        | ConnectError::Busy { .. }
        | ConnectError::Resolve { .. } => false,
    }
}

impl AttemptCause {
    /// Whether a retry cannot help.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Identity(_)
            | Self::Connect(ConnectError::NotASocket { .. })
            | Self::Tls(
                TlsError::NoHttp2
                | TlsError::Plaintext
                | TlsError::NotAllowed(_)
                | TlsError::ServerName(_),
            ) => true,
            Self::ClosedAfterTls { alert, .. } => *alert,
            // The peer is untrusted or speaks no TLS. Other kinds mean a broken connection.
            Self::Tls(TlsError::Handshake(error)) => error.kind() == io::ErrorKind::InvalidData,
            Self::Connect(ConnectError::Unix { source, .. }) => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            Self::Connect(
                ConnectError::Busy { .. } | ConnectError::Resolve { .. } | ConnectError::Tcp { .. },
            )
            | Self::Thread(_)
            | Self::Http2(_)
            | Self::Plaintext(_)
            | Self::Closed
            | Self::NoAnswer
            | Self::Unavailable(_) => false,
        }
    }

    /// Whether the server closed the connection before it answered, as it does for a user without
    /// permission, or for a client without a certificate.
    pub(super) const fn is_refusal(&self) -> bool {
        match self {
            Self::ClosedAfterTls { .. } | Self::Plaintext(_) | Self::Closed => true,
            Self::Identity(_)
            | Self::Connect(_)
            | Self::Thread(_)
            | Self::Tls(_)
            | Self::Http2(_)
            | Self::NoAnswer
            | Self::Unavailable(_) => false,
        }
    }

    /// The cause before the first answer on a unix socket. The server closes the connection of a
    /// user without permission at once, which resets it.
    pub(super) fn on_unix(self) -> Self {
        if matches!(&self, Self::Http2(GrpcError::Http2(error)) if error.is_io()) {
            Self::Closed
        } else {
            self
        }
    }

    /// The cause before the first answer on a tcp connection.
    pub(super) fn on_tcp(self, tls: bool) -> Self {
        let (why, alert) = match &self {
            Self::Http2(GrpcError::Http2(error)) => {
                let io = error.get_io();
                let why = io.map_or_else(|| error.to_string(), explain_io);
                (why, io.is_some_and(is_alert))
            }
            Self::Closed => (
                "it was closed without an answer, perhaps the listener is full".to_owned(),
                false,
            ),
            Self::Http2(GrpcError::Authority(_))
            | Self::Connect(_)
            | Self::Identity(_)
            | Self::Thread(_)
            | Self::Tls(_)
            | Self::Plaintext(_)
            | Self::ClosedAfterTls { .. }
            | Self::NoAnswer
            | Self::Unavailable(_) => return self,
        };
        if tls {
            Self::ClosedAfterTls { why, alert }
        } else {
            Self::Plaintext(why)
        }
    }
}
