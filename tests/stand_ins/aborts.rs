//! The abort of a runner: what is sent once it has begun, and the repair of a signal that was lost.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};

use crate::support::client::Client;
use crate::support::{binary, eventually, wait_for_exit};
use crate::{force_after, received, runner, signals, start_around};

/// Before, the platform's TERM became a QUIT in the middle of the clean-up, and the runner exited
/// with 1 and left its jobs unreported.
#[test]
fn a_term_that_is_rewritten_to_quit_is_not_sent_into_a_clean_up() {
    let Some(runner) = runner() else { return };
    let options = ["--rewrite-signal", "TERM:QUIT"];
    let mut wrapper = start_around(&options, &[runner], &["-clean-up=1h"]);
    let client = Client::connect(&wrapper.address());
    client.shut_down_with(force_after(0)).unwrap();
    wrapper.stdout.wait_for("aborting");
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received SIGTERM");
    // The clean-up ends well, and the wrapper leaves because it was told to.
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.code(), 0, "{}", wrapper.stdout.all());
    assert_eq!(received(&wrapper), ["received terminated"]);
    let log = wrapper.stderr.all();
    assert!(!log.contains("sent SIGQUIT"), "{log}");
    assert!(log.contains("outcome=aborted"), "{log}");
}

/// The control for the test above: such a QUIT does what the wrapper prevents.
#[test]
fn a_second_stop_signal_cuts_the_clean_up_of_the_stand_in_short() {
    let Some(runner) = runner() else { return };
    let mut wrapper = start_around(&[], &[runner], &["-clean-up=1h"]);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stdout.wait_for("cleaning up");
    // Not the graceful signal, so it is forwarded each time.
    wrapper.signal(Signal::SIGINT);
    assert_eq!(wrapper.code(), 1);
    let printed = wrapper.stdout.all();
    assert!(!printed.contains("jobs failed"), "{printed}");
}

#[test]
fn a_lost_signal_is_sent_again_only_on_request() {
    let Some(runner) = runner() else { return };
    // Deaf for longer than the wrapper waits between its two signals: TERM is lost.
    let mut wrapper = start_around(&[], &[runner], &["-deaf=800ms"]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let aborting = client.shut_down_with(force_after(0)).unwrap();
    let both = [("SIGQUIT", Cause::Request), ("SIGTERM", Cause::Request)];
    assert_eq!(signals(&aborting), both);
    wrapper.stdout.wait_for("draining");
    for request in [force_after(0), force_after(100), force_after(0)] {
        let repeated = client.shut_down_with(request).unwrap();
        assert_eq!(signals(&repeated), both, "a retry sends nothing");
    }
    let again = InitiateGracefulShutdownRequest {
        repeat_signal: true,
        ..force_after(0)
    };
    // Refused to begin with, because the last one is not a second old.
    eventually("the signal is sent again", || {
        let answer = client.shut_down_with(again.clone()).unwrap();
        answer.signals.len() == 3 || answer.state() == State::Gone
    });
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(signals(&gone), [both[0], both[1], both[1]]);
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(0), Outcome::Aborted)
    );
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(received(&wrapper), ["received quit", "received terminated"]);
}

#[test]
fn jobs_that_finish_in_a_drain_make_the_outcome_drained() {
    let Some(runner) = runner() else { return };
    let mut wrapper = start_around(&["--force-after=1h"], &[runner], &[]);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    wrapper.stdout.wait_for("draining");
    // A second request, and the platform's own QUIT, send nothing.
    client.shut_down();
    wrapper.signal(Signal::SIGQUIT);
    wrapper.stderr.wait_for("received SIGQUIT");
    wrapper.signal(Signal::SIGHUP);
    wrapper.stdout.wait_for("reloaded");
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(received(&wrapper), ["received quit"]);
    let log = wrapper.stderr.all();
    assert!(log.contains("outcome=drained"), "{log}");
}

/// Before, both ended with "exited with code 0, as asked" and exit code 0.
#[test]
fn the_client_tells_an_abort_from_a_drain_though_both_exit_with_0() {
    let Some(runner) = runner() else { return };
    for (options, drained, code, words) in [
        (&["--wait"][..], true, 0, "drained after"),
        (
            &["--wait", "--force-after=0"],
            false,
            6,
            "aborted by SIGTERM after",
        ),
    ] {
        let mut wrapper = start_around(&[], &[runner], &[]);
        let mut client = Command::new(binary())
            .args(["shutdown", "--address", &wrapper.address()])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if drained {
            wrapper.stdout.wait_for("draining");
            wrapper.signal(Signal::SIGUSR1);
        }
        wait_for_exit(&mut client);
        let output = client.wait_with_output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{printed}");
        assert!(printed.contains(words), "{printed}");
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 0);
    }
}
