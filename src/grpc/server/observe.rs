//! Whoever wants to know what happens on the server.
//!
//! Owns the seam and nothing else: the server tells an observer what has happened, and takes no advice from it.

use std::fmt::Debug;
use std::time::Duration;

use crate::grpc::rules::status::Code;

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The method's path, if there is such a method and the caller may call it: one of a fixed set.
    pub method: Option<&'static str>,
    /// How it ended.
    pub code: Code,
    /// From its headers to its trailers.
    pub duration: Duration,
}

/// Told of what happens; must not block.
pub trait Observer: Debug {
    /// A call has ended.
    fn call_ended(&self, call: &Ended);

    /// A connection was accepted and let in.
    fn connection_opened(&self);

    /// A connection was closed at once, because its peer may not call or because there was no place.
    fn connection_refused(&self);
}
