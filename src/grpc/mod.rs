//! gRPC over HTTP/2: the rules of the protocol, a server and a client.
//!
//! Owns the protocol from the byte stream up to decoded messages. It never opens a socket, never
//! decides what a message means, and never compresses. The rules are pure (`message`, `status`,
//! `timeout`, `metadata`, `head`, `limits`, `frames`, `flood`, `lifetime`); h2 is driven by the rest.
//! Sources: gRPC's PROTOCOL-HTTP2 and status code documents, RFC 9113.

mod call;
pub mod client;
mod connection;
mod drain;
pub mod exchange;
pub mod flood;
pub mod frames;
pub mod gate;
pub mod head;
mod in_flight;
mod incoming;
pub mod lifetime;
pub mod limits;
mod memory;
pub mod message;
pub mod metadata;
pub mod observe;
mod outgoing;
mod page;
mod places;
pub mod router;
pub mod server;
mod start;
pub mod status;
pub mod timeout;
mod watched;

#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use limits::Limits;
pub use router::{Context, Router};
pub use server::Server;
pub use status::{Code, Status};
