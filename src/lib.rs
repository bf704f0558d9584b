//! `process-wrapper` runs one process under its own control and serves a gRPC API to drain it.
//!
//! This file owns the list of modules and nothing else. The binary is in `main.rs`; the map of the
//! whole is ARCHITECTURE.md. Imports point downward only: `tests/layers/main.rs` fails on a break.

#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("process-wrapper needs Linux: it rests on pidfds, SO_PEERCRED and /proc");

// L0: decides. No I/O, no async, no clock, no environment, no tracing.
pub mod access;
pub mod address;
pub mod gitlab;
pub mod human_duration;
pub mod lifecycle;
pub mod pb;
pub mod reflection;
pub mod signal;
mod timestamp;

// L0 and L1: the gRPC layer. Its rules are pure, its server and client speak over any byte stream.
pub mod grpc;

// L1: performs.
pub mod clock;
pub mod log;
pub mod net;
pub mod process;
pub mod thread;
pub mod webhook;

// L2: the driver and what it is asked for.
#[cfg(feature = "monitor")]
pub mod monitor;
pub mod service;
pub mod supervisor;
pub mod systemd;

// L2: the other side.
pub mod client;

// L3: the command line.
pub mod cli;
