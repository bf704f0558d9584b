//! Hostile peers against the running wrapper: the cost of each attack.
//!
//! Three things are asserted for each: the memory of the wrapper, how late a timer of 50 ms in it
//! is, and that a client on another connection is answered meanwhile. The timer is the deadline of
//! a call: the client asks for a state that never comes with a `grpc-timeout` of 50 ms, and looks
//! how late the trailers are. docs/grpc.md holds the figures; `cargo test --test attacks --
//! --nocapture` prints them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by them, and prints its figures"
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod connections;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod streams;
