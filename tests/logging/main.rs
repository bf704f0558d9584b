//! Log lines: their content, and that writing them never blocks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::io::Read;
use std::process::Stdio;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;
use support::{DRAINS, setup, start_ready};

#[test]
fn a_state_changing_call_is_logged_with_its_caller() {
    let wrapper = start_ready(&[], DRAINS);
    Client::connect(&wrapper.address()).shut_down();
    let line = wrapper
        .stderr
        .wait_for("InitiateGracefulShutdown outcome=done");
    let uid = format!("uid={}", rustix::process::getuid().as_raw());
    let pid = format!("pid={}", std::process::id());
    assert!(line.contains(&uid) && line.contains(&pid), "{line}");

    let wrapper = start_ready(&["--listen=tcp://127.0.0.1:0"], DRAINS);
    let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
    let address = line.split("address=").nth(1).unwrap().trim().to_owned();
    Client::connect(&address).shut_down();
    let line = wrapper
        .stderr
        .wait_for("InitiateGracefulShutdown outcome=done");
    assert!(line.contains("tcp 127.0.0.1:"), "{line}");
}

#[test]
fn json_lines_are_json() {
    let mut wrapper = start_ready(&["--log-format=json", "--log-level=debug"], DRAINS);
    Client::connect(&wrapper.address()).shut_down();
    wrapper.signal(Signal::SIGTERM);
    wrapper.wait();
    let log = wrapper.stderr.all();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let value: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            value["timestamp"].is_string() && value["level"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_full_unread_stderr_delays_neither_signals_nor_answers() {
    // The child fills the pipe that it shares with the wrapper to the last byte, then goes on.
    let script = "trap 'exit 4' TERM; head -c 1000000 /dev/zero >&2 & filler=$!; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let mut wrapper = setup(&["--log-level=trace"], &["sh", "-c", script])
        .configure(|command| {
            command.stderr(Stdio::piped());
        })
        .start_unread();
    wrapper.0.stdout.wait_for("ready");
    support::eventually("the pipe is full", || is_full(&wrapper.1));
    let client = Client::connect(&wrapper.0.address());
    for _ in 0..200 {
        assert_eq!(client.state(), State::Running);
    }
    wrapper.0.signal(Signal::SIGTERM);
    let gone = wrapper.0.code();
    assert_eq!(gone, 4);
    let mut rest = Vec::new();
    drop(wrapper.0);
    // Only now is it read: it never was empty enough for the wrapper.
    wrapper.1.read_to_end(&mut rest).unwrap();
    assert!(!rest.is_empty());
}

/// Whether a pipe has no room: its reader can ask how much is in it.
fn is_full(reader: &std::process::ChildStderr) -> bool {
    let held = rustix::io::ioctl_fionread(reader).unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(reader).unwrap();
    held + 4096 > size as u64
}

#[test]
fn an_audit_line_outlasts_a_stderr_that_no_one_reads() {
    // The child fills the pipe, and more than it: only a reader makes room again.
    let script = "trap : QUIT; head -c 1000000 /dev/zero >&2 & filler=$!; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let (wrapper, mut stderr) = setup(&[], &["sh", "-c", script]).start_unread();
    wrapper.stdout.wait_for("ready");
    support::eventually("the pipe is full", || is_full(&stderr));
    Client::connect(&wrapper.address()).shut_down();
    // No further line follows that would carry the kept one along.
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let outcome = b"InitiateGracefulShutdown outcome=done";
    while !read.windows(outcome.len()).any(|window| window == outcome) {
        let mut fds = [rustix::event::PollFd::new(
            &stderr,
            rustix::event::PollFlags::IN,
        )];
        let timeout = rustix::event::Timespec::try_from(support::DEADLINE).unwrap();
        let ready = rustix::event::poll(&mut fds, Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "the audit line is lost");
        let count = stderr.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..count]);
        // Only the end can hold it.
        let start = read.len().saturating_sub(8192);
        read.drain(..start);
    }
}
