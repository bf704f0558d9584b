//! A kernel that refuses the signals: the process runs as another user, and the wrapper lacks
//! CAP_KILL (kill(2)).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{
    InitiateGracefulShutdownRequest, Process, State, Webhook,
};
use tonic::Code;

use crate::support::Wrapper;
use crate::support::client::Client;
#[cfg(feature = "monitor")]
use crate::support::http1;
use crate::support::unprivileged::{SWITCH, start_without_kill};
use crate::{force_after, milliseconds, signals};

/// What a scraper reads as the number of refused signals.
#[cfg(feature = "monitor")]
fn refused_signals(wrapper: &Wrapper) -> String {
    let answer = http1::metrics(wrapper);
    let mut lines = answer.lines();
    let value = lines.find_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.trim_end_matches("{}");
        (name == "process_wrapper_signals_refused_total").then_some(value)
    });
    value.expect(&answer).to_owned()
}

/// The end that the wrapper cannot bring about.
fn end(wrapper: &Wrapper, client: &Client) -> Process {
    kill(Pid::from_raw(wrapper.child_pid()), Signal::SIGKILL).unwrap();
    client.wait_until(State::Gone, None).unwrap()
}

/// Before, the second request said that the process was asked to stop, with exit code 0; the
/// webhook and the deadlines of both were kept.
#[test]
fn every_request_fails_alike_and_leaves_nothing_behind() {
    let script = format!("{SWITCH} 'echo ready; while :; do sleep 0.1; done'");
    let Some(mut wrapper) = start_without_kill(&["--kill-after=1ms"], &script) else {
        return;
    };
    let client = Client::connect(&wrapper.address());
    let webhook = cfg!(feature = "webhooks").then(|| Webhook {
        url: "http://127.0.0.1:9/".to_owned(),
        ..Webhook::default()
    });
    let drain = InitiateGracefulShutdownRequest {
        webhook: webhook.clone(),
        force_after: milliseconds(3_600_000),
        kill_after: milliseconds(3_600_000),
        repeat_signal: false,
    };
    let abort = InitiateGracefulShutdownRequest {
        webhook,
        ..force_after(0)
    };
    for (request, signal) in [
        (&drain, "SIGQUIT"),
        (&drain, "SIGQUIT"),
        (&abort, "SIGTERM"),
        (&abort, "SIGTERM"),
        (&drain, "SIGQUIT"),
    ] {
        let refused = client.shut_down_with(request.clone()).unwrap_err();
        assert_eq!(refused.code(), Code::Internal, "{refused:?}");
        let text = refused.message();
        assert!(
            text.contains(signal) && text.contains("Operation not permitted"),
            "{text}"
        );
        let left = client.get_state();
        assert_eq!(left.state(), State::Running);
        assert!(!left.requested && left.shutdown_requested_at.is_none());
        assert_eq!((left.force_at, left.kill_at), (None, None));
        assert_eq!((left.webhooks.len(), left.signals.len()), (0, 0));
    }
    let gone = end(&wrapper, &client);
    assert!(!gone.requested);
    assert_eq!(gone.outcome(), Outcome::Unasked);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
    let log = wrapper.stderr.all();
    assert_eq!(log.matches("(cause: request)").count(), 5, "{log}");
}

/// Before, the refusal of a deadline was logged at most, and KILL never came.
#[test]
fn a_refused_deadline_is_logged_and_the_next_stage_still_comes() {
    // It becomes the other user when the drain begins.
    let script = format!(
        "trap \"{SWITCH} 'echo switched; while :; do sleep 0.1; done'\" QUIT; echo ready; \
         while :; do sleep 0.1; done"
    );
    let mut options = vec!["--kill-after=100ms"];
    if cfg!(feature = "monitor") {
        options.extend(["--http-listen", "tcp://127.0.0.1:0"]);
    }
    let Some(mut wrapper) = start_without_kill(&options, &script) else {
        return;
    };
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    wrapper.stdout.wait_for("switched");
    client.shut_down_with(force_after(1)).unwrap();
    let term = wrapper.stderr.wait_for("(cause: --force-after)");
    assert!(
        term.contains("sending SIGTERM") && term.contains("ERROR"),
        "{term}"
    );
    let killing = wrapper.stderr.wait_for("(cause: --kill-after)");
    assert!(killing.contains("sending SIGKILL"), "{killing}");
    #[cfg(feature = "monitor")]
    assert_eq!(refused_signals(&wrapper), "2");
    // Refused signals are not among those that were sent, and a new request fails once more.
    let refused = client.shut_down_with(force_after(0)).unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert_eq!(signals(&client.get_state()), [("SIGQUIT", Cause::Request)]);
    let gone = end(&wrapper, &client);
    // The wrapper has sent nothing but the graceful signal.
    assert_eq!(gone.outcome(), Outcome::Failed);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
    let log = wrapper.stderr.all();
    for cause in ["--force-after", "--kill-after"] {
        let line = format!("(cause: {cause})");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
}
