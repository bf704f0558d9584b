//! The byte streams under the control API: where to listen, how to connect, who is there.
//!
//! Owns sockets and their files. It never speaks HTTP/2 or gRPC, and decides nothing about calls.

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
