//! Fails when the code leaves the shape that ARCHITECTURE.md draws.
//!
//! Owns the table: the layer of each module, the one home of each crate, and the APIs that the
//! lowest layer may not use. `layers/source.rs` reads the files, `layers/check.rs` judges them
//! against the table, `layers/log_lines.rs` judges the log calls, and `layers/examples.rs` shows
//! that each rule can fail. Unit tests
//! (`#[cfg(test)]`) are judged by their length and their opening comment only.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod check;
mod examples;
mod log_lines;
mod resolve;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

/// The layer of each module and of all below it; the longest name that fits counts. Imports point
/// to the same layer or a lower one.
const LAYERS: &[(&str, u8)] = &[
    ("access", 0),
    ("address", 0),
    ("gitlab", 0),
    ("lifecycle", 0),
    ("pb", 0),
    ("reflection", 0),
    ("signal", 0),
    ("timestamp", 0),
    ("human_duration", 0),
    ("grpc::rules", 0),
    ("grpc::rules::token_bucket", 0),
    ("grpc::rules::frames", 0),
    ("grpc::rules::head", 0),
    ("grpc::rules::lifetime", 0),
    ("grpc::rules::limits", 0),
    ("grpc::rules::message", 0),
    ("grpc::rules::metadata", 0),
    ("grpc::rules::status", 0),
    ("grpc::rules::timeout", 0),
    ("spool", 1),
    ("spool::frame", 0),
    ("spool::message", 0),
    ("spool::record", 0),
    ("webhook::file_syntax", 0),
    ("webhook::body", 0),
    ("webhook::delivery", 0),
    ("webhook::entry", 0),
    ("webhook::file", 0),
    ("webhook::exit_report", 0),
    ("webhook::method", 0),
    ("webhook::policy", 0),
    ("webhook::registry", 0),
    ("webhook::request", 0),
    ("webhook::schedule", 0),
    ("webhook::signature", 0),
    ("clock", 1),
    ("thread", 1),
    ("grpc", 1),
    ("log", 1),
    ("net", 1),
    ("process", 1),
    ("client", 2),
    ("client::process", 0),
    ("client::retry", 0),
    ("webhook", 1),
    ("monitor", 2),
    ("monitor::format", 0),
    ("monitor::host", 0),
    ("readiness", 2),
    ("readiness::condition", 0),
    ("readiness::response", 0),
    ("service", 2),
    ("supervisor", 2),
    ("systemd", 2),
    ("systemd::socket", 1),
    ("systemd::state", 0),
    ("cli", 3),
    ("main", 3),
];

/// Crates that only the named file, or the files in the named directory, may use.
const HOMES: &[(&str, &str)] = &[
    ("argh", "src/cli/"),
    ("async_process", "src/process/child.rs"),
    // The same crate by its other name.
    ("smol::process", "src/process/child.rs"),
    ("async_signal", "src/process/signals.rs"),
    ("signal_hook", "src/process/"),
    ("h2", "src/grpc/"),
    ("subtle", "src/access/token.rs"),
    ("webpki", "src/net/tls/"),
    ("hyper::client", "src/webhook/transport.rs"),
    ("surf", "src/webhook/transport.rs"),
    ("hyper::server", "src/monitor/http.rs"),
    ("prometheus_client", "src/monitor/metrics.rs"),
    ("sd_notify", "src/systemd/socket.rs"),
];

/// APIs that layer 0 may not use: I/O, async, clocks, the environment, the log. Types that only
/// describe (`Duration`, `SocketAddr`, `Instant`) are allowed. A last `*` stands for any ending.
const UNKNOWN_TO_LAYER_0: &[&str] = &[
    "async_*",
    "event_listener",
    "futures*",
    "h2",
    "nix",
    "rustix",
    "smol",
    "std::env",
    "std::fs",
    "std::future",
    "std::io::std*",
    "std::net::Tcp*",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "std::process",
    "std::task",
    "std::thread",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "tokio",
    "tracing*",
];

/// The maximum number of lines in a file.
const MAX_LINES: usize = 450;

#[test]
fn the_tree_keeps_its_shape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    for directory in ["src", "tests"] {
        read(root, Path::new(directory), &mut files).unwrap();
    }
    assert!(
        files.contains_key("src/lib.rs"),
        "the sources were not found"
    );
    let mut breaks = check::breaks(&files);
    breaks.extend(log_lines::breaks(&files));
    assert!(breaks.is_empty(), "\n{}\n", breaks.join("\n"));
}

/// Reads every Rust file below a directory, by its path from the root.
fn read(
    root: &Path,
    directory: &Path,
    files: &mut BTreeMap<String, String>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(entry.path())?;
            files.insert(path.to_string_lossy().into_owned(), text);
        }
    }
    Ok(())
}
