//! The byte streams under the control API: listening, connecting, peer identity, TLS.
//!
//! Owns sockets and their files. It knows neither gRPC nor what a peer may call.

pub mod authority;
mod bind_error;
pub mod budget;
pub mod connect;
pub mod default_address;
pub mod directory;
pub mod listen;
mod lock_file;
pub mod peer;
pub mod reload;
mod socket;
mod socket_file;
pub mod stream;
pub mod tls;
