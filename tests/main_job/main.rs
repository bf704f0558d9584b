//! The main use from end to end: running, draining, gone; over both kinds of address, with tonic
//! and with grpcurl as clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};
use support::client::Client;
use support::{DRAINS, DRAINS_UNTIL_TOLD};
use tonic::Code;

/// Drains a child through `client` and looks at every state on the way.
fn drain(wrapper: &mut support::Wrapper, client: &Client) {
    let running = client.get_state();
    assert_eq!(running.state(), State::Running);
    assert_eq!(running.pid, wrapper.child_pid());
    assert_eq!(running.program, "sh");
    assert!(running.started_at.is_some());
    assert_eq!(
        (running.shutdown_requested_at, running.exited_at),
        (None, None)
    );
    assert!(!running.requested);

    let draining = client.shut_down();
    assert_eq!(draining.state(), State::ShuttingDown);
    assert!(draining.requested && draining.shutdown_requested_at.is_some());
    assert_eq!(client.state(), State::ShuttingDown);

    std::fs::write(wrapper.folder.path().join("go-on"), "").unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.state(), State::Gone);
    assert_eq!((gone.exit_code, gone.exit_signal), (Some(0), None));
    assert!(gone.requested && gone.exited_at.is_some());

    // The wrapper stays, so that a pod and its monitoring live on, until it is told to stop.
    assert_eq!(client.state(), State::Gone);
    assert_eq!(client.shut_down().state(), State::Gone);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
    assert!(!wrapper.socket().exists(), "the socket file is left behind");
}

fn start_draining_child(options: &[&str]) -> support::Wrapper {
    let setup = support::setup(options, &["sh", "-c", DRAINS_UNTIL_TOLD, "sh"]);
    let wrapper = setup
        .configure(|command| {
            let folder = command.get_args().nth(2).unwrap().to_str().unwrap();
            let folder = folder
                .trim_start_matches("unix:")
                .replace("control.sock", "go-on");
            command.arg(folder);
        })
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper
}

#[test]
fn a_drain_is_seen_from_running_to_gone_over_a_unix_socket() {
    let mut wrapper = start_draining_child(&[]);
    let client = Client::connect(&wrapper.address());
    drain(&mut wrapper, &client);
}

#[test]
fn a_drain_is_seen_from_running_to_gone_over_tcp() {
    let mut wrapper = start_draining_child(&["--listen", "tcp://127.0.0.1:0"]);
    let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
    let address = line.split("address=").nth(1).unwrap().trim().to_owned();
    let client = Client::connect(&address);
    drain(&mut wrapper, &client);
}

#[test]
fn grpcurl_drives_a_drain_and_prints_the_state_names() {
    let Some(grpcurl) = support::peers::find("grpcurl") else {
        return;
    };
    for tcp in [false, true] {
        let mut wrapper = support::start_ready(&["--listen=tcp://127.0.0.1:0"], DRAINS);
        let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
        let target = if tcp {
            line.split("tcp://").nth(1).unwrap().trim().to_owned()
        } else {
            wrapper.socket().display().to_string()
        };
        let call = |method: &str, body: &str| {
            let mut command = Command::new(&grpcurl);
            command.args([
                "-plaintext",
                "-import-path",
                "proto",
                "-proto",
                "process_wrapper/v1/process_wrapper.proto",
            ]);
            command.current_dir(env!("CARGO_MANIFEST_DIR"));
            if !tcp {
                command.arg("-unix");
            }
            let method = format!("process_wrapper.v1.ProcessWrapper/{method}");
            let output = command
                .args(["-d", body, &target, &method])
                .output()
                .unwrap();
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        };
        let running = call("GetState", "");
        assert!(running.contains("\"state\": \"running\""), "{running}");
        let draining = call("InitiateGracefulShutdown", "");
        assert!(
            draining.contains("\"state\": \"shutting_down\""),
            "{draining}"
        );
        let gone = call("GetState", r#"{"wait_until": "gone"}"#);
        assert!(gone.contains("\"state\": \"gone\""), "{gone}");
        assert!(gone.contains("\"exitCode\": 3"), "{gone}");
        let refused = call("GetState", r#"{"wait_until": 9}"#);
        assert!(refused.contains("InvalidArgument"), "{refused}");
        wrapper.signal(Signal::SIGINT);
        assert_eq!(wrapper.code(), 3);
    }
}

#[cfg(not(feature = "webhooks"))]
#[test]
fn a_build_without_webhooks_refuses_them_and_signals_nothing() {
    let wrapper = support::start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    let request = InitiateGracefulShutdownRequest {
        webhook: Some(process_wrapper::pb::process_wrapper::v1::Webhook {
            url: "https://example.com/done".to_owned(),
            ..Default::default()
        }),
        ..InitiateGracefulShutdownRequest::default()
    };
    let status = client.shut_down_with(request).unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(client.state(), State::Running);
    assert!(!wrapper.stdout.text().contains("draining"));
}

#[test]
fn negative_deadlines_are_refused_and_signal_nothing() {
    let wrapper = support::start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    let minus = Some(prost_types::Duration {
        seconds: -1,
        nanos: 0,
    });
    for (force_after, kill_after) in [(minus, None), (None, minus)] {
        let request = InitiateGracefulShutdownRequest {
            force_after,
            kill_after,
            webhook: None,
            repeat_signal: false,
        };
        let status = client.shut_down_with(request).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert_eq!(client.state(), State::Running);
    assert!(!wrapper.stdout.text().contains("draining"));
}

#[test]
fn deadlines_of_a_request_force_and_kill_a_child_that_does_not_drain() {
    let deaf =
        "trap '' QUIT; trap 'echo forced' TERM; echo ready; while :; do sleep 1 & wait $!; done";
    let wrapper = support::start_ready(&[], deaf);
    let client = Client::connect(&wrapper.address());
    let short = Some(prost_types::Duration {
        seconds: 0,
        nanos: 50_000_000,
    });
    let request = InitiateGracefulShutdownRequest {
        force_after: short,
        // Long enough for the script to say that it was forced.
        kill_after: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        webhook: None,
        repeat_signal: false,
    };
    let process = client.shut_down_with(request).unwrap();
    assert!(process.force_at.is_some());
    wrapper.stdout.wait_for("forced");
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_signal, Some(9));
    assert_eq!(wrapper.stdout.text().matches("forced").count(), 1);
}

#[test]
fn waiting_ends_with_the_calls_own_deadline() {
    let wrapper = support::start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    let status = client
        .wait_until(State::Gone, Some(Duration::from_millis(100)))
        .unwrap_err();
    // tonic reports its own timer, which runs beside ours, as a cancellation.
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status:?}"
    );
    assert_eq!(client.state(), State::Running);
    assert_eq!(
        client.wait_until(State::Running, None).unwrap().state(),
        State::Running
    );
}
