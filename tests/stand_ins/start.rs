//! A request that comes before the process has installed its handlers.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;

use crate::support::client::Client;
use crate::{around, recipes, runner, signals};

#[test]
fn a_drain_before_the_handler_stands_ends_a_go_program_with_code_2_and_a_dump() {
    let Some(runner) = runner() else { return };
    let mut wrapper = around(&[], &[runner], &["-boot-until=/nowhere"]).start();
    // Go's own handler is installed before the first line of main.
    wrapper.stdout.wait_for("starting");
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!((gone.exit_code, gone.exit_signal), (Some(2), None));
    assert_eq!(gone.outcome(), Outcome::Failed);
    assert_eq!(signals(&gone), [("SIGQUIT", Cause::Request)]);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 2);
    let log = wrapper.stderr.all();
    assert!(
        log.contains("SIGQUIT: quit") && log.contains("goroutine "),
        "{log}"
    );
}

/// GitLab Runner serves its readiness on its listen_address, here the port that the page names.
#[test]
fn a_drain_waits_for_the_readiness_of_the_runner() {
    let Some(runner) = runner() else { return };
    let page = recipes::page();
    assert!(page.contains("--ready-after http://localhost:9252/health/ready"));
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://localhost:{port}/health/ready");
    let folder = tempfile::tempdir().unwrap();
    let booted = folder.path().join("booted");
    let listen = format!("-listen=127.0.0.1:{port}");
    let until = format!("-boot-until={}", booted.display());
    let mut wrapper = around(&["--ready-after", &url], &[runner], &[&listen, &until]).start();
    wrapper.stdout.wait_for("starting");
    let client = Client::connect(&wrapper.address());
    let asked = client.shut_down();
    assert_eq!(
        (asked.state(), asked.signals.len()),
        (State::ShuttingDown, 0)
    );
    std::fs::write(booted, "").unwrap();
    wrapper.stdout.wait_for("draining");
    wrapper.signal(Signal::SIGUSR1);
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(0), Outcome::Drained)
    );
    assert_eq!(signals(&gone), [("SIGQUIT", Cause::Request)]);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
}

#[test]
fn a_program_without_a_handler_is_ended_by_the_signal_itself() {
    let mut wrapper = around(&[], &["sleep"], &["1000"]).start();
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!((gone.exit_code, gone.exit_signal), (None, Some(3)));
    assert_eq!(gone.outcome(), Outcome::Failed);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 3);
}
