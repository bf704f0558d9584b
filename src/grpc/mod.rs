//! gRPC over HTTP/2: the rules of the protocol, a server and a client.
//!
//! Owns the protocol from the byte stream up to decoded messages. It never opens a socket, never
//! interprets a message, and never compresses. `rules` is pure; `server` and `client` drive h2.
//! Sources: gRPC's PROTOCOL-HTTP2 and status code documents, RFC 9113.

pub mod client;
mod incoming;
mod outgoing;
pub mod rules;
#[cfg(feature = "wrapper")]
pub mod server;

#[cfg(test)]
pub(crate) mod tests;

pub use rules::limits::Limits;
#[cfg(feature = "unstable-internals")]
pub use {
    rules::status::{Code, Status},
    server::Server,
    server::exchange::Exchange,
    server::router::{Context, Router},
};
