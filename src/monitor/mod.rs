//! Metrics and probes over plain HTTP.
//!
//! Owns the server of `--http-listen`. It never changes the state of the process or the wrapper.

mod format;
mod host;
mod http;
mod metrics;
mod recent_pages;
mod snapshot;

pub use host::HostNames;
pub use http::{MAX_CONNECTIONS, serve};
pub use metrics::Metrics;
