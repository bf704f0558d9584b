//! The wrapper around stand-ins for real programs, which react to signals with the same faults.
//!
//! Owns the start of the stand-ins. `runner` behaves as GitLab Runner and is built with Go;
//! `agent.py` drains on one signal and aborts on another, or on the second. `none_lost` sweeps the
//! pair of signals that a Go program drops, `aborts` and `agents` go through the stages, `refused`
//! has a kernel that refuses signals, `start` has a process without handlers, `outliving` has jobs
//! that outlive the process, and `recipes` runs the commands of docs/supervision.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod aborts;
mod agents;
mod none_lost;
mod outliving;
mod recipes;
mod refused;
mod start;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use process_wrapper::pb::process_wrapper::v1::Process;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;

use support::client::{force_after, milliseconds};
use support::{Setup, Wrapper, peers};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins")
}

/// The stand-in for GitLab Runner, built once; `None` after a SKIPPED line if Go is missing.
fn runner() -> Option<&'static str> {
    static RUNNER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = RUNNER.get_or_init(|| {
        let go = peers::find("go")?;
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand-in-runner");
        let output = Command::new(go)
            .args(["build", "-o"])
            .args([&program, &folder().join("runner/main.go")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(program)
    });
    if built.is_none() {
        peers::missing("Go, which builds the stand-in for GitLab Runner");
    }
    built.as_ref().map(|program| program.to_str().unwrap())
}

/// The command of the stand-in for an agent; `None` after a SKIPPED line if Python is missing.
fn agent() -> Option<[String; 2]> {
    let python = peers::find("python3")?.to_str()?.to_owned();
    Some([python, folder().join("agent.py").to_str()?.to_owned()])
}

/// A wrapper on a socket of its own around a command with arguments.
fn around(options: &[&str], command: &[impl AsRef<str>], arguments: &[&str]) -> Setup {
    let mut words: Vec<&str> = command.iter().map(AsRef::as_ref).collect();
    words.extend(arguments);
    support::setup(options, &words)
}

/// The same, started; the stand-in has its handlers.
fn start_around(options: &[&str], command: &[impl AsRef<str>], arguments: &[&str]) -> Wrapper {
    let wrapper = around(options, command, arguments).start();
    wrapper.stdout.wait_for("ready");
    wrapper
}

/// The names and causes of the signals that the wrapper says it sent.
fn signals(process: &Process) -> Vec<(&str, Cause)> {
    let signals = process.signals.iter();
    signals.map(|sent| (&*sent.name, sent.cause())).collect()
}

/// The lines in which a stand-in reports a stop signal, in their order.
fn received(wrapper: &Wrapper) -> Vec<String> {
    let printed = wrapper.stdout.text();
    let lines = printed.lines();
    lines
        .filter(|line| line.starts_with("received ") || line.starts_with("SIG"))
        .map(str::to_owned)
        .collect()
}
