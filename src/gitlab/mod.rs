//! How GitLab's own wrapper, a Go program, writes things: durations on its command line, reasons in its
//! answers.
//!
//! Owns these two notations and nothing else. It never serves and never starts anything.

mod duration;
mod failure;

pub use duration::{GoDuration, InvalidGoDuration};
pub use failure::failure_reason;
