//! Who decides whether a call may begin.
//!
//! Owns the seam between the server and that decision, which comes before a message is read. It never
//! decides: whoever accepts connections brings the gate along.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;

use crate::grpc::rules::status::Status;
use crate::net::peer::Peer;

/// A call that is about to begin. Only its head has been read.
#[derive(Debug, Clone, Copy)]
pub struct PendingCall<'a> {
    /// Who calls.
    pub peer: &'a Peer,
    /// What is called, as the caller wrote it: `:path`. It need not be a method.
    pub path: &'a str,
    /// The headers of the request.
    pub metadata: &'a HeaderMap,
}

/// A call that may not begin.
#[derive(Debug, Clone)]
pub struct CallRefusal {
    /// What the caller is told.
    pub status: Status,
    /// How long the answer waits, so that nobody asks too often.
    pub after: Duration,
}

impl From<Status> for CallRefusal {
    fn from(status: Status) -> Self {
        let after = Duration::ZERO;
        Self { status, after }
    }
}

/// Decides about the calls of one connection.
pub trait CallPolicy: fmt::Debug {
    /// Whether the call may begin.
    ///
    /// # Errors
    ///
    /// Why not. No byte of its message is read.
    fn admit(&self, asked: &PendingCall<'_>) -> Result<(), CallRefusal>;
}

/// Lets everybody call everything: for streams whose other end is known, as in tests.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl CallPolicy for AllowAll {
    fn admit(&self, _: &PendingCall<'_>) -> Result<(), CallRefusal> {
        Ok(())
    }
}
