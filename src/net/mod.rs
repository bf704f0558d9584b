//! The byte streams under the control API: listening, connecting, peer identity, TLS.
//!
//! Owns sockets and their files. It knows neither gRPC nor what a peer may call.

pub mod authority;
#[cfg(feature = "wrapper")]
mod bind_error;
pub mod budget;
pub mod connect;
#[cfg(feature = "wrapper")]
pub mod default_address;
#[cfg(feature = "wrapper")]
pub mod directory;
pub mod file;
#[cfg(feature = "wrapper")]
pub mod first_bytes;
#[cfg(feature = "wrapper")]
pub mod listen;
#[cfg(feature = "wrapper")]
pub(crate) mod lock_file;
#[cfg(feature = "wrapper")]
pub mod lost_file;
#[cfg(feature = "wrapper")]
pub mod peer;
pub mod reload;
mod socket;
#[cfg(feature = "wrapper")]
mod socket_file;
pub mod stream;
pub mod tls;
#[cfg(feature = "wrapper")]
pub mod wrong_protocol;
