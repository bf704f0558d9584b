//! A request that comes before the process has installed its handlers.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;

use crate::support::client::Client;
use crate::{around, runner, signals};

#[test]
fn a_drain_before_the_handler_stands_ends_a_go_program_with_code_2_and_a_dump() {
    let Some(runner) = runner() else { return };
    let mut wrapper = around(&[], &[runner], &["-boot=1h"]).start();
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
