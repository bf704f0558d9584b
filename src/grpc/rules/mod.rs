//! The rules of gRPC and of its connections: framing, headers, status, timeouts, limits.
//!
//! Owns every decision that needs no I/O. It never reads a clock and never touches a stream.

mod code;
pub mod frames;
pub mod head;
pub mod lifetime;
pub mod limits;
pub mod message;
pub mod metadata;
pub mod status;
pub mod timeout;
pub mod token_bucket;
