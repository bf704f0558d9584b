//! Who may call: listeners, identities, roles. Each refusal is shown, and that who should get in does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod support;

#[path = "access/call.rs"]
mod call;
#[cfg(feature = "tls")]
#[path = "access/certificates.rs"]
mod certificates;
#[cfg(feature = "tls")]
#[path = "access/clients.rs"]
mod clients;
#[cfg(test)]
#[path = "wire/frames.rs"]
mod frames;
#[cfg(feature = "tls")]
#[path = "access/matrix.rs"]
mod matrix;
#[cfg(test)]
#[path = "wire/peer.rs"]
mod peer;
#[path = "access/raw.rs"]
mod raw;
#[path = "access/roles.rs"]
mod roles;
#[path = "access/sockets.rs"]
mod sockets;
#[cfg(feature = "tls")]
#[path = "access/tls.rs"]
mod tls;
#[path = "access/tokens.rs"]
mod tokens;
#[path = "access/usage.rs"]
mod usage;
#[path = "access/user.rs"]
mod user;
