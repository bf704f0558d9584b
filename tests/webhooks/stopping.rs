//! The reasons for which a stopping wrapper stays, and for how long.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery::Phase;
use tonic::Code;

use crate::support::client::Client;
use crate::support::webhook_receiver::{Answer, Receiver, ok, status};
use crate::support::{self, DEADLINE};
use crate::wrapper::{draining, with_webhook};

#[test]
fn a_stopping_wrapper_stays_until_its_webhook_is_delivered() {
    let receiver = Receiver::start([status("503 Service Unavailable"), ok()]);
    let url = receiver.url("/");
    let mut wrapper = support::start_ready(&["--webhook", &url], support::DRAINS);
    wrapper.signal(Signal::SIGQUIT);
    assert_eq!(wrapper.code(), 3);
    assert_eq!(receiver.more().len(), 2);
    assert!(wrapper.stderr.all().contains("webhook delivered"));
}

#[test]
fn a_stalling_receiver_keeps_a_stopped_wrapper_no_longer_than_its_deadline() {
    let receiver = Receiver::start([Answer::Stalls]);
    let url = receiver.url("/s3cret");
    let options = ["--webhook", &url, "--webhook-deadline", "700ms"];
    let mut wrapper = support::start_ready(&options, "echo ready; exec sleep 600");
    wrapper.signal(Signal::SIGTERM);
    let stopped = Instant::now();
    receiver.request();
    // Meanwhile it answers.
    let client = Client::connect(&wrapper.address());
    let process = client.get_state();
    assert_eq!(process.state(), State::Gone);
    assert_eq!(process.webhooks[0].phase(), Phase::Pending);
    assert_eq!(
        wrapper.code(),
        143,
        "a failed webhook does not change the code"
    );
    assert!(stopped.elapsed() < DEADLINE / 2, "{:?}", stopped.elapsed());
    assert!(stopped.elapsed() >= Duration::from_millis(600));
    let log = wrapper.stderr.all();
    assert!(log.contains("webhook not delivered"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_second_stop_signal_exits_at_once_and_lists_undelivered_webhooks() {
    let receiver = Receiver::start([Answer::Stalls]);
    let (mut wrapper, client) = draining(&[]);
    let process = client
        .shut_down_with(with_webhook(&receiver.url("/s3cret"), &[]))
        .unwrap();
    receiver.request();
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received");
    assert_eq!(client.get_state().webhooks[0].phase(), Phase::Pending);
    // It accepts no more of them: its exit would have no bound.
    let another = with_webhook(&receiver.url("/another"), &[]);
    let refused = client.shut_down_with(another).unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let known = with_webhook(&receiver.url("/s3cret"), &[]);
    assert_eq!(client.shut_down_with(known).unwrap().webhooks.len(), 1);
    let again = Instant::now();
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    assert!(
        again.elapsed() < Duration::from_secs(9),
        "{:?}",
        again.elapsed()
    );
    let log = wrapper.stderr.all();
    let line = log
        .lines()
        .find(|line| line.contains("webhook not delivered"));
    assert!(line.unwrap().contains(&process.webhooks[0].id), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_flooding_receiver_delays_neither_answers_nor_the_exit() {
    let receiver = Receiver::start([Answer::EndlessHints]);
    let url = receiver.url("/");
    let mut wrapper = support::start_ready(&["--webhook", &url], "echo ready; exit 4");
    receiver.request();
    let client = Client::connect(&wrapper.address());
    assert_eq!(client.get_state().webhooks[0].phase(), Phase::Pending);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for("received");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 4);
    assert!(wrapper.stderr.all().contains("webhook not delivered"));
}

#[test]
fn exit_when_gone_waits_for_the_webhook() {
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/");
    let options = ["--webhook", &url, "--exit-when-gone", "always"];
    let mut wrapper = support::start_ready(&options, "echo ready; exit 4");
    assert_eq!(wrapper.code(), 4);
    assert_eq!(receiver.more().len(), 1);
}
