//! Monitoring over plain HTTP: metrics and probes.
//!
//! Owns the pages of `--http-listen`. Read-only: nothing here changes the course of anything.

mod format;
mod http;
mod metrics;
mod snapshot;

pub use http::{MAX_CONNECTIONS, serve};
pub use metrics::Metrics;
