//! Notations of GitLab's own wrapper, a Go program: durations in options, failure reasons in
//! responses.
//!
//! Owns these two notations. It never serves a call and never starts a process.

mod duration;
mod failure;

pub use duration::GoDuration;
pub use failure::failure_reason;
