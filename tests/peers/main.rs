//! The server as the clients of others see it: health, reflection, real programs, and the suites of
//! gRPC and HTTP/2.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod clients;
mod drains;
mod health;
mod interop;
mod proxies;
mod reflection;
mod server;
mod suites;
#[path = "../support/mod.rs"]
mod support;

use std::process::{Command, Stdio};

/// The exit status and the output of a peer program.
struct Output {
    success: bool,
    text: String,
}

/// Runs it to its end, which must come before the deadline.
fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let stdout = support::Lines::read(process.stdout.take().unwrap());
    let stderr = support::Lines::read(process.stderr.take().unwrap());
    let status = support::wait_for_exit(&mut process);
    Output {
        success: status.success(),
        text: [stdout.all(), stderr.all()].join("\n"),
    }
}
