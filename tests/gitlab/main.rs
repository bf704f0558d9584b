//! Tools for GitLab Runner's own wrapper drive this one unchanged, and its defects are absent here.
//!
//! `contract` is the service on the wire, `command_line` is `process-wrapper wrapper`, `defects`
//! and `callbacks` have tests for each known defect of that wrapper, and `go_client` drives ours as
//! GitLab's deployer does, on grpc-go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "webhooks")]
mod callbacks;
mod command_line;
mod contract;
mod defects;
mod go_client;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use process_wrapper::pb::gitlab_com::gitlab_runner::runner_wrapper as pb;
use support::client::Client;
use support::{Setup, Wrapper};
use tonic::Status;

const CHECK_STATUS: &str = "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/CheckStatus";
const GRACEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown";
const FORCEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitForcefulShutdown";

/// What follows the traps of a runner that runs until it gets a signal.
const LOOP: &str = "echo ready; while :; do sleep 1 & wait $!; done";

/// A stand-in for gitlab-runner: QUIT drains, TERM ends, HUP reloads, and each prints a line.
const RUNNER: &str = "trap 'echo quit; exit 0' QUIT; trap 'echo term; exit 1' TERM; \
    trap 'echo int; exit 2' INT; trap 'echo hup' HUP; echo ready; while :; do sleep 1 & wait $!; done";

/// `process-wrapper wrapper` as GitLab's is started, on a unix socket, with a script for
/// gitlab-runner.
fn gitlab_wrapper(options: &[&str], script: &str) -> Setup {
    support::setup_with(|command, folder| {
        let listen = format!("unix://{}", folder.join("control.sock").display());
        command.args(["wrapper", "--grpc-listen", &listen]);
        command.args(options);
        command.arg("--runner-path").arg(runner(folder, script));
        command.args(["--", "run", "--config", "config.toml"]);
    })
}

/// Starts it and waits until the script says `ready`.
fn start(options: &[&str], script: &str) -> Wrapper {
    let wrapper = gitlab_wrapper(options, script).start();
    wrapper.stdout.wait_for("ready");
    wrapper
}

/// Writes a script that is called gitlab-runner.
fn runner(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("gitlab-runner");
    support::write_program(&path, &format!("#!/bin/sh\n{script}\n"));
    path
}

fn check(client: &Client) -> (pb::Status, String) {
    let answer: pb::CheckStatusResponse = client
        .call(CHECK_STATUS, pb::CheckStatusRequest {}, None)
        .unwrap();
    (answer.status(), answer.failure_reason)
}

fn graceful(client: &Client) -> Result<(pb::Status, String), Status> {
    let request = pb::InitGracefulShutdownRequest::default();
    let answer: pb::InitGracefulShutdownResponse = client.call(GRACEFUL, request, None)?;
    Ok((answer.status(), answer.failure_reason))
}

fn forceful(client: &Client) -> Result<(pb::Status, String), Status> {
    let request = pb::InitForcefulShutdownRequest {};
    let answer: pb::InitForcefulShutdownResponse = client.call(FORCEFUL, request, None)?;
    Ok((answer.status(), answer.failure_reason))
}

/// Polls as the deployer does, until there is nothing left to wait for.
fn wait_terminated(client: &Client) -> String {
    let mut answer = check(client);
    support::eventually("the runner has stopped", || {
        answer = check(client);
        answer.0 == pb::Status::Stopped
    });
    answer.1
}
