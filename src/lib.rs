//! `process-wrapper` runs one process under its own control and serves a gRPC API to drain it.
//!
//! The public API is [`client`]. Every other module is private, unless the feature
//! `unstable-internals` is enabled: tests, benchmarks and fuzz targets use it, and any release may
//! break its items.
//!
//! ```
//! use std::time::Duration;
//! use process_wrapper::client::{Client, Error, Shutdown};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join("process-wrapper-doc-without-a-wrapper");
//! # let address = format!("unix://{}", folder.join("control.sock").display());
//! let client = Client::new(address.parse()?).connect_timeout(Duration::from_millis(50));
//! let hour = Duration::from_secs(3600);
//! match smol::block_on(client.drain(&Shutdown::default(), Some(hour))) {
//!     Ok(process) => println!("pid {} is {}", process.pid, process.state),
//!     Err(Error::Unreachable { attempts, .. }) => println!("{attempts} attempts failed"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! This file owns the list of modules and nothing else. Imports point downward only:
//! `tests/layers/main.rs` fails on a break.

#![forbid(unsafe_code)]
// Without the feature, items that only tests use are neither reachable nor used.
#![cfg_attr(
    not(feature = "unstable-internals"),
    allow(dead_code, unreachable_pub, unused_imports)
)]

#[cfg(not(target_os = "linux"))]
compile_error!("process-wrapper needs Linux: it rests on pidfds, SO_PEERCRED and /proc");

// L0: decides. No I/O, no async, no clock, no environment, no tracing.
#[cfg(not(feature = "unstable-internals"))]
mod access;
#[cfg(feature = "unstable-internals")]
pub mod access;
#[cfg(not(feature = "unstable-internals"))]
mod address;
#[cfg(feature = "unstable-internals")]
pub mod address;
#[cfg(not(feature = "unstable-internals"))]
mod gitlab;
#[cfg(feature = "unstable-internals")]
pub mod gitlab;
#[cfg(not(feature = "unstable-internals"))]
mod human_duration;
#[cfg(feature = "unstable-internals")]
pub mod human_duration;
#[cfg(not(feature = "unstable-internals"))]
mod lifecycle;
#[cfg(feature = "unstable-internals")]
pub mod lifecycle;
#[cfg(not(feature = "unstable-internals"))]
mod pb;
#[cfg(feature = "unstable-internals")]
pub mod pb;
#[cfg(not(feature = "unstable-internals"))]
mod reflection;
#[cfg(feature = "unstable-internals")]
pub mod reflection;
#[cfg(not(feature = "unstable-internals"))]
mod signal;
#[cfg(feature = "unstable-internals")]
pub mod signal;
mod timestamp;

// L0 and L1: the gRPC layer. Its rules are pure, its server and client speak over any byte stream.
#[cfg(not(feature = "unstable-internals"))]
mod grpc;
#[cfg(feature = "unstable-internals")]
pub mod grpc;

// L1: performs.
#[cfg(not(feature = "unstable-internals"))]
mod clock;
#[cfg(feature = "unstable-internals")]
pub mod clock;
#[cfg(not(feature = "unstable-internals"))]
mod log;
#[cfg(feature = "unstable-internals")]
pub mod log;
#[cfg(not(feature = "unstable-internals"))]
mod net;
#[cfg(feature = "unstable-internals")]
pub mod net;
#[cfg(not(feature = "unstable-internals"))]
mod process;
#[cfg(feature = "unstable-internals")]
pub mod process;
#[cfg(not(feature = "unstable-internals"))]
mod thread;
#[cfg(feature = "unstable-internals")]
pub mod thread;
#[cfg(not(feature = "unstable-internals"))]
mod webhook;
#[cfg(feature = "unstable-internals")]
pub mod webhook;

// L2: the driver and what it is asked for.
#[cfg(all(feature = "monitor", not(feature = "unstable-internals")))]
mod monitor;
#[cfg(all(feature = "monitor", feature = "unstable-internals"))]
pub mod monitor;
#[cfg(not(feature = "unstable-internals"))]
mod readiness;
#[cfg(feature = "unstable-internals")]
pub mod readiness;
#[cfg(not(feature = "unstable-internals"))]
mod service;
#[cfg(feature = "unstable-internals")]
pub mod service;
#[cfg(not(feature = "unstable-internals"))]
mod supervisor;
#[cfg(feature = "unstable-internals")]
pub mod supervisor;
#[cfg(not(feature = "unstable-internals"))]
mod systemd;
#[cfg(feature = "unstable-internals")]
pub mod systemd;

// L2: the other side.
pub mod client;

// L3: the command line.
#[cfg(not(feature = "unstable-internals"))]
mod cli;
#[cfg(feature = "unstable-internals")]
pub mod cli;

/// Runs the command line, as the binary does; the result is the exit code. Not part of the API.
///
/// Call it before any other thread exists: it first blocks all signals of the calling thread.
#[doc(hidden)]
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    // A signal that arrives before its handler is installed would end the wrapper without a trace.
    let blocked = process::signals::block();
    debug_assert!(blocked.is_ok(), "the set of all signals is valid");
    cli::main(arguments)
}
