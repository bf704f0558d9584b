//! The decision whether a call may begin.
//!
//! Owns the interface between the server and that decision, which comes before a message is read.
//! It never decides: the code that accepts connections brings a policy along.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;

use crate::grpc::rules::status::Status;
use crate::net::peer::Peer;

/// A call of which only the head has been read.
#[derive(Debug, Clone, Copy)]
pub struct PendingCall<'a> {
    /// The peer of the connection.
    pub peer: &'a Peer,
    /// `:path` as the caller sent it. It need not be a method.
    pub path: &'a str,
    /// The headers of the request.
    pub metadata: &'a HeaderMap,
}

/// A call that may not begin.
#[derive(Debug, Clone)]
pub struct CallRefusal {
    /// The status for the caller.
    pub status: Status,
    /// How long the answer is delayed, to limit the rate of attempts.
    pub delay: Duration,
    /// Lives until the answer is sent, so that the policy can limit the number of delayed ones.
    #[allow(dead_code, reason = "the policy counts its references")]
    pub hold: Option<Rc<()>>,
    /// Whether the connection takes no more calls after the answer.
    pub closes: bool,
}

impl From<Status> for CallRefusal {
    fn from(status: Status) -> Self {
        Self {
            status,
            delay: Duration::ZERO,
            hold: None,
            closes: false,
        }
    }
}

/// Admits or refuses the calls of one connection.
pub trait CallPolicy: fmt::Debug {
    /// Whether the call may begin.
    ///
    /// # Errors
    ///
    /// The refusal. No byte of the call's message is read.
    fn admit(&self, call: &PendingCall<'_>) -> Result<(), CallRefusal>;
}

/// Admits every call: for streams with a trusted peer, as in tests.
#[cfg(any(test, feature = "unstable-internals"))]
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

#[cfg(any(test, feature = "unstable-internals"))]
impl CallPolicy for AllowAll {
    fn admit(&self, _: &PendingCall<'_>) -> Result<(), CallRefusal> {
        Ok(())
    }
}
