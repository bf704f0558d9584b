//! The server as a peer meets it that writes its own HTTP/2 frames: every rule of gRPC about requests and
//! responses, one test each. The numbers are those of docs/grpc.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod support;

#[cfg(test)]
#[path = "wire/frames.rs"]
mod frames;
#[cfg(test)]
#[path = "wire/options.rs"]
mod options;
#[cfg(test)]
#[path = "wire/peer.rs"]
mod peer;
#[cfg(test)]
#[path = "wire/requests.rs"]
mod requests;
#[cfg(test)]
#[path = "wire/responses.rs"]
mod responses;
