//! The bodies of the fuzz targets: each `run` takes any bytes and panics if an assertion fails.
//!
//! Owns the assertions about any input of a peer or a user. The same code runs under cargo-fuzz,
//! from the workspace in `fuzz/`, and in every `cargo test`, where `tests/corpora/main.rs` replays
//! the corpora.

pub mod access;
pub mod address;
pub mod authority;
pub mod command_line;
pub mod connection;
pub mod convert;
pub mod facts;
pub mod go_duration;
pub mod head;
pub mod lifecycle;
pub mod message;
pub mod messages;
pub mod metadata;
pub mod pages;
pub mod readiness;
pub mod reflection;
pub mod server;
pub mod status;
pub mod timeout;
pub mod tokens;
#[cfg(feature = "webhooks")]
pub mod webhook_file;
#[cfg(feature = "webhooks")]
pub mod webhook_policy;
#[cfg(feature = "webhooks")]
pub mod webhook_record;
#[cfg(feature = "webhooks")]
pub mod webhook_response;
#[cfg(feature = "webhooks")]
pub mod webhook_schedule;
#[cfg(feature = "webhooks")]
pub mod webhook_url;
pub mod words;

mod cursor;
mod frames;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../src/grpc/tests/http2.rs"]
mod http2;

/// A target by its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: &[Target] = &[
    ("access", access::run),
    ("address", address::run),
    ("authority", authority::run),
    ("command_line", command_line::run),
    ("connection", connection::run),
    ("convert", convert::run),
    ("facts", facts::run),
    ("go_duration", go_duration::run),
    ("head", head::run),
    ("lifecycle", lifecycle::run),
    ("message", message::run),
    ("messages", messages::run),
    ("metadata", metadata::run),
    ("pages", pages::run),
    ("readiness", readiness::run),
    ("reflection", reflection::run),
    ("server", server::run),
    ("status", status::run),
    ("timeout", timeout::run),
    ("tokens", tokens::run),
    #[cfg(feature = "webhooks")]
    ("webhook_file", webhook_file::run),
    #[cfg(feature = "webhooks")]
    ("webhook_policy", webhook_policy::run),
    #[cfg(feature = "webhooks")]
    ("webhook_record", webhook_record::run),
    #[cfg(feature = "webhooks")]
    ("webhook_response", webhook_response::run),
    #[cfg(feature = "webhooks")]
    ("webhook_schedule", webhook_schedule::run),
    #[cfg(feature = "webhooks")]
    ("webhook_url", webhook_url::run),
    ("words", words::run),
];
