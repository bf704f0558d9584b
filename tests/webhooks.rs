//! Webhooks from end to end: a wrapper, its clients, and receivers that behave as badly as real ones.
//!
//! The receivers are threads with plain sockets, so that every byte and every delay is theirs to choose.

#![cfg(feature = "webhooks")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by them, and its modules share what they need"
)]

#[path = "webhooks/attempts.rs"]
mod attempts;
#[path = "webhooks/names.rs"]
mod names;
#[path = "webhooks/races.rs"]
mod races;
#[path = "webhooks/receiver.rs"]
mod receiver;
#[path = "webhooks/refused.rs"]
mod refused;
#[path = "webhooks/secure.rs"]
mod secure;
#[path = "webhooks/stopping.rs"]
mod stopping;
mod support;
#[path = "webhooks/wrapper.rs"]
mod wrapper;
