//! Webhooks from end to end: a wrapper, its clients, and receivers that behave as badly as real
//! ones.
//!
//! The receivers are threads with plain sockets, so that every byte and every delay is theirs to
//! choose.

#![cfg(feature = "webhooks")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by them, and its modules share what they need"
)]

mod answers;
mod attempts;
mod crowd;
mod kills;
mod libraries;
mod names;
mod races;
mod refused;
mod secure;
mod state_dir;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod wrapper;
