//! `process-wrapper` runs one process under its own control and serves a gRPC API to drain it.
//!
//! The public API is [`client`]. Every other module is private, unless the feature
//! `unstable-internals` is enabled: tests, benchmarks and fuzz targets use it, and any release may
//! break its items. A tool that only calls wrappers leaves out the supervisor and its dependencies:
//!
//! ```toml
//! process-wrapper = { version = "0.1", default-features = false, features = ["tls"] }
//! ```
//!
//! The feature `tls` is for addresses that use TLS; without any feature the client remains.
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
// Without the feature, `pub` items of internal modules are reachable within the crate only.
#![cfg_attr(not(feature = "unstable-internals"), allow(unreachable_pub))]
// A build without one of the features does not use everything that it shares with the others.
#![cfg_attr(
    not(all(
        feature = "wrapper",
        feature = "monitor",
        feature = "tls",
        feature = "webhooks"
    )),
    allow(dead_code, unused_imports)
)]

#[cfg(not(target_os = "linux"))]
compile_error!("process-wrapper needs Linux: it rests on pidfds, SO_PEERCRED and /proc");

/// Declares modules, which the feature `unstable-internals` makes public. rustfmt formats the
/// modules of a macro of this name only.
macro_rules! cfg_if {
    (if #[$public:meta] { $($(#[$attribute:meta])* mod $name:ident;)* }) => {$(
        $(#[$attribute])* #[$public] pub mod $name;
        $(#[$attribute])* #[cfg(not(feature = "unstable-internals"))] mod $name;
    )*};
}

cfg_if! {
    if #[cfg(feature = "unstable-internals")] {
        // L0: decides. No I/O, no async, no clock, no environment, no tracing.
        mod access;
        mod address;
        #[cfg(feature = "wrapper")]
        mod gitlab;
        mod human_duration;
        mod lifecycle;
        mod pb;
        #[cfg(feature = "wrapper")]
        mod reflection;
        mod signal;
        #[cfg(feature = "wrapper")]
        mod timestamp;
        // L0 and L1: the gRPC layer. Its rules are pure, its server and client speak over any byte
        // stream.
        mod grpc;
        // L1: performs.
        mod clock;
        #[cfg(feature = "wrapper")]
        mod log;
        mod net;
        #[cfg(feature = "wrapper")]
        mod process;
        #[cfg(feature = "webhooks")]
        mod spool;
        mod thread;
        #[cfg(feature = "wrapper")]
        mod webhook;
        // L2: the driver and what it is asked for.
        #[cfg(feature = "monitor")]
        mod monitor;
        #[cfg(feature = "wrapper")]
        mod readiness;
        #[cfg(feature = "wrapper")]
        mod service;
        #[cfg(feature = "wrapper")]
        mod supervisor;
        #[cfg(feature = "wrapper")]
        mod systemd;
        // L3: the command line.
        #[cfg(feature = "wrapper")]
        mod cli;
    }
}

// L2: the other side.
pub mod client;

/// Runs the command line, as the binary does; the result is the exit code. Not part of the API.
///
/// Call it before any other thread exists: it first blocks all signals of the calling thread.
#[cfg(feature = "wrapper")]
#[doc(hidden)]
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    // A signal that arrives before its handler is installed would end the wrapper without a trace.
    let blocked = process::signals::block();
    debug_assert!(blocked.is_ok(), "the set of all signals is valid");
    cli::main(arguments)
}
