//! The binary as its own client: its output, its waits and its exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod events;
mod examples;
mod fleet;
mod library;
mod schemas;
mod screen;
mod terminal;
mod waits;
mod watch;

use std::process::{Command, Output, Stdio};

/// Exits with code 3 as soon as it gets SIGQUIT.
const FAILS: &str = support::DRAINS;

/// Exits with code 0 as soon as it gets SIGQUIT.
const SUCCEEDS: &str = "trap 'exit 0' QUIT; echo ready; while :; do sleep 1 & wait $!; done";

/// Does not leave by SIGQUIT or SIGTERM.
const STAYS: &str = "trap '' QUIT TERM; echo ready; while :; do sleep 1 & wait $!; done";

/// A client command that is not started yet.
fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new(support::binary());
    command
        .args(arguments)
        .env_remove("PROCESS_WRAPPER_ADDRESS")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The output of a client command, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn call(arguments: &[&str]) -> Said {
    client(arguments).output().unwrap().into()
}

impl Said {
    /// The answer, which is as its schema says.
    fn json(&self) -> serde_json::Value {
        let answer = serde_json::from_str(&self.stdout);
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {self:?}"));
        support::schema::assert_valid("answer.json", &answer);
        answer
    }
}
