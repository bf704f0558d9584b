//! The server against a peer that writes its own HTTP/2 frames: every rule of gRPC about requests
//! and responses, one test each. The numbers are those of docs/grpc.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod options;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod waits;
