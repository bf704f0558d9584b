//! Hostile peers against the running wrapper: what each attack costs.
//!
//! Three things are asserted for each: the memory of the wrapper, how late a timer of 50 ms in it is, and
//! that a client on another connection is answered meanwhile. The timer is the deadline of a call: the
//! client asks for a state that never comes with a `grpc-timeout` of 50 ms, and looks how late the trailers
//! are. docs/grpc.md holds the figures; `cargo test --test attacks -- --nocapture` prints them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them, and prints its figures"
)]

mod support;

#[cfg(test)]
#[path = "attacks/connections.rs"]
mod connections;
#[cfg(test)]
#[path = "attacks/floods.rs"]
mod floods;
#[cfg(test)]
#[path = "wire/frames.rs"]
mod frames;
#[cfg(test)]
#[path = "attacks/honest.rs"]
mod honest;
#[cfg(test)]
#[path = "attacks/isolation.rs"]
mod isolation;
#[cfg(test)]
#[path = "attacks/measure.rs"]
mod measure;
#[cfg(test)]
#[path = "attacks/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "wire/peer.rs"]
mod peer;
#[cfg(test)]
#[path = "attacks/streams.rs"]
mod streams;
