//! `--forceful-signal`: which signal begins the abort, and what happens without one.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{
    InitiateGracefulShutdownRequest, State, process::Outcome,
};
use tonic::Code;

use crate::support::client::{Client, force_after};
use crate::support::{setup, start_ready};

/// Drains for ever on QUIT; prints each signal.
const STUBBORN: &str = "trap 'echo quit' QUIT; trap 'echo term' TERM; trap 'echo int; exit 8' INT; \
    echo ready; while :; do sleep 0.05 & wait $!; done";

#[test]
fn the_abort_sends_the_forceful_signal_of_the_option() {
    let mut wrapper = start_ready(&["--forceful-signal=INT"], STUBBORN);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    wrapper.stdout.wait_for("quit");
    client.shut_down_with(force_after(0)).unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(8), Outcome::Aborted)
    );
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 8);
    assert!(!wrapper.stdout.all().contains("term"));
}

#[test]
fn without_a_forceful_signal_a_drain_is_followed_by_kill_alone() {
    let options = [
        "--forceful-signal=none",
        "--force-after=100ms",
        "--kill-after=200ms",
    ];
    let mut wrapper = start_ready(&options, STUBBORN);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_signal, gone.outcome()),
        (Some(9), Outcome::Killed)
    );
    let sent: Vec<_> = gone.signals.iter().map(|sent| &*sent.name).collect();
    assert_eq!(sent, ["SIGQUIT", "SIGKILL"]);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
    assert_eq!(wrapper.stdout.all(), "ready\nquit");
}

#[test]
fn a_request_for_an_abort_that_would_do_nothing_is_refused_and_changes_nothing() {
    let wrapper = start_ready(&["--forceful-signal=none"], STUBBORN);
    let client = Client::connect(&wrapper.address());
    let refused = client.shut_down_with(force_after(100)).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("--kill-after"), "{refused:?}");
    let process = client.get_state();
    assert_eq!((process.state(), process.force_at), (State::Running, None));
    // With a time to KILL the same request is one.
    let kill_after = force_after(100).force_after;
    let request = InitiateGracefulShutdownRequest {
        kill_after,
        ..force_after(100)
    };
    client.shut_down_with(request).unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.outcome(), Outcome::Killed);
}

#[test]
fn an_agent_that_drains_on_term_gets_a_second_one_as_its_abort() {
    let agent = "trap 'n=x$n; echo term $n; [ \"$n\" = xx ] && exit 9' TERM; echo ready; \
        while :; do sleep 0.05 & wait $!; done";
    let options = ["--graceful-signal=TERM", "--force-after=1ms"];
    let mut wrapper = start_ready(&options, agent);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(9), Outcome::Aborted)
    );
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 9);
    assert_eq!(wrapper.stdout.all(), "ready\nterm x\nterm xx");
}

#[test]
fn deadlines_without_effect_are_warned_of_at_the_start() {
    for (options, word) in [
        (
            &["--kill-after=1s", "--rewrite-signal=TERM:QUIT"][..],
            "--kill-after",
        ),
        (
            &["--forceful-signal=none", "--force-after=1s"],
            "--force-after",
        ),
        (&["--force-after=1s", "--kill-after=1s"], ""),
    ] {
        let options = [options, &["--exit-when-gone=always"]].concat();
        let mut wrapper = setup(&options, &["true"]).start();
        assert_eq!(wrapper.code(), 0);
        let log = wrapper.stderr.all();
        let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
        match word {
            "" => assert_eq!(warnings, [""; 0]),
            word => assert!(warnings.len() == 1 && warnings[0].contains(word), "{log}"),
        }
    }
}

#[test]
fn an_unknown_signal_and_a_bound_without_probes_are_usage_errors() {
    for (options, words) in [
        (&["--forceful-signal=nosuch"][..], "--forceful-signal"),
        (&["--ready-after=soon"], "5s"),
        (&["--ready-after=http://example.org:80/"], "loopback"),
        (&["--ready-within=1s"], "--ready-after"),
    ] {
        let mut wrapper = setup(options, &["true"]).start();
        assert_eq!(wrapper.code(), 2, "{options:?}");
        let error = wrapper.stderr.all();
        assert!(
            error.contains(words) && error.lines().count() == 1,
            "{error}"
        );
    }
}
