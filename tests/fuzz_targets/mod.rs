//! The bodies of the fuzz targets: each `run` takes any bytes and panics if something is wrong.
//!
//! Owns what is asserted of whatever a peer or a user may send. The same code runs under cargo-fuzz, from
//! the workspace in `fuzz/`, and in every `cargo test`, where `tests/corpora.rs` replays the corpora.

pub mod address;
pub mod authority;
pub mod command_line;
pub mod convert;
pub mod go_duration;
pub mod head;
pub mod lifecycle;
pub mod message;
pub mod messages;
pub mod metadata;
pub mod reflection;
pub mod server;
pub mod status;
pub mod timeout;
pub mod words;

mod cursor;
mod frames;

/// A target by its name, which is also that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: &[Target] = &[
    ("address", address::run),
    ("authority", authority::run),
    ("command_line", command_line::run),
    ("convert", convert::run),
    ("go_duration", go_duration::run),
    ("head", head::run),
    ("lifecycle", lifecycle::run),
    ("message", message::run),
    ("messages", messages::run),
    ("metadata", metadata::run),
    ("reflection", reflection::run),
    ("server", server::run),
    ("status", status::run),
    ("timeout", timeout::run),
    ("words", words::run),
];
