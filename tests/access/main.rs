//! Access control: listeners, identities, roles. Each refusal is tested, and each admission.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

mod call;
#[cfg(feature = "tls")]
mod certificate_errors;
#[cfg(feature = "tls")]
mod clients;
mod default_socket;
mod files;
mod guesses;
mod health;
mod local_attacks;
#[cfg(feature = "tls")]
mod matrix;
mod raw;
mod roles;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
mod usage;
mod user;

#[cfg(feature = "tls")]
use support::certificates;
