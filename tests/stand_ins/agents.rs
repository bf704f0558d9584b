//! Agents that drain on TERM and abort on the second one, and how the deadlines treat them.

use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{Process, State};

use crate::support::client::Client;
use crate::{agent, received, signals, start_around};

/// From the nth signal to the exit, as the wrapper reports both.
fn from_signal_to_exit(process: &Process, nth: usize) -> Duration {
    let sent = process.signals[nth].sent_at.unwrap();
    let exited = SystemTime::try_from(process.exited_at.unwrap()).unwrap();
    let sent = SystemTime::try_from(sent).unwrap();
    exited.duration_since(sent).unwrap()
}

/// Before, KILL came after `--kill-after`, although the drain had `--force-after`.
#[test]
fn a_drain_on_term_has_the_whole_force_after() {
    let Some(agent) = agent() else { return };
    let options = [
        "--graceful-signal=TERM",
        "--force-after=10s",
        "--kill-after=100ms",
    ];
    let mut wrapper = start_around(&options, &agent, &["--job=1"]);
    let client = Client::connect(&wrapper.address());
    let asked = client.shut_down();
    assert!(asked.force_at.is_some());
    assert_eq!(asked.kill_at, None, "the abort has not begun");
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(0), Outcome::Drained)
    );
    assert_eq!(signals(&gone), [("SIGTERM", Cause::Request)]);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
}

/// Before, with a TERM already sent, `--force-after` never sent another.
#[test]
fn force_after_sends_a_second_term_which_aborts() {
    let Some(agent) = agent() else { return };
    let options = ["--graceful-signal=TERM", "--force-after=400ms"];
    let mut wrapper = start_around(&options, &agent, &[]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(9), Outcome::Aborted)
    );
    let sent = [("SIGTERM", Cause::Request), ("SIGTERM", Cause::Deadline)];
    assert_eq!(signals(&gone), sent);
    assert!(from_signal_to_exit(&gone, 0) >= Duration::from_millis(400));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 9);
    assert_eq!(received(&wrapper), ["SIGTERM #1", "SIGTERM #2"]);
}

#[test]
fn kill_after_counts_from_the_second_term() {
    let Some(agent) = agent() else { return };
    let options = [
        "--graceful-signal=TERM",
        "--force-after=300ms",
        "--kill-after=500ms",
    ];
    let mut wrapper = start_around(&options, &agent, &["--stubborn"]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_signal, gone.outcome()),
        (Some(9), Outcome::Killed)
    );
    let sent = [
        ("SIGTERM", Cause::Request),
        ("SIGTERM", Cause::Deadline),
        ("SIGKILL", Cause::Deadline),
    ];
    assert_eq!(signals(&gone), sent);
    assert!(from_signal_to_exit(&gone, 1) >= Duration::from_millis(495));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
}

/// Before, it was sent on as a second TERM, which canceled the job.
#[test]
fn the_platforms_term_after_a_drain_over_the_api_is_not_sent_on() {
    let Some(agent) = agent() else { return };
    let mut wrapper = start_around(&["--graceful-signal=TERM"], &agent, &[]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    wrapper.stdout.wait_for("SIGTERM #1");
    for nth in 1..=2 {
        wrapper.signal(Signal::SIGTERM);
        wrapper.stderr.wait_for_nth("received SIGTERM", nth);
    }
    wrapper.signal(Signal::SIGUSR1);
    // It leaves once the process is gone, because it was told to stop.
    assert_eq!(wrapper.code(), 0);
    assert_eq!(received(&wrapper), ["SIGTERM #1"]);
    let log = wrapper.stderr.all();
    assert!(log.contains("outcome=drained"), "{log}");
}

#[test]
fn the_platforms_term_drains_once_and_a_request_adds_nothing() {
    let Some(agent) = agent() else { return };
    let mut wrapper = start_around(&["--graceful-signal=TERM"], &agent, &[]);
    let client = Client::connect(&wrapper.address());
    wrapper.signal(Signal::SIGTERM);
    wrapper.stdout.wait_for("SIGTERM #1");
    let asked = client.shut_down();
    assert_eq!(signals(&asked), [("SIGTERM", Cause::Forwarded)]);
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(received(&wrapper), ["SIGTERM #1"]);
}

/// INT is not the graceful signal, so it is forwarded, and begins the abort.
#[test]
fn another_stop_signal_is_forwarded_into_the_drain() {
    let Some(agent) = agent() else { return };
    let mut wrapper = start_around(&["--graceful-signal=TERM"], &agent, &[]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    wrapper.stdout.wait_for("SIGTERM #1");
    wrapper.signal(Signal::SIGINT);
    assert_eq!(wrapper.code(), 9);
    assert_eq!(received(&wrapper), ["SIGTERM #1", "SIGINT #2"]);
    let log = wrapper.stderr.all();
    assert!(log.contains("outcome=aborted"), "{log}");
}
