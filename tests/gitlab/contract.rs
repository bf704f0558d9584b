//! The service as it is on the wire, beside our own on the same listener.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use prost::Message;

use super::support::client::Client;
use super::support::{DRAINS, setup, start_ready};
use super::*;

#[test]
fn both_services_answer_on_one_listener_with_one_truth() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("go");
    let mut wrapper = setup(
        &[],
        &[
            "sh",
            "-c",
            support::DRAINS_UNTIL_TOLD,
            "sh",
            gate.to_str().unwrap(),
        ],
    )
    .start();
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    assert_eq!(check(&client), (pb::Status::Running, String::new()));
    assert_eq!(client.state(), State::Running);

    assert_eq!(graceful(&client).unwrap().0, pb::Status::InShutdown);
    assert_eq!(check(&client), (pb::Status::InShutdown, String::new()));
    assert_eq!(client.state(), State::ShuttingDown);

    std::fs::write(&gate, "").unwrap();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert!(gone.requested);
    assert_eq!(check(&client), (pb::Status::Stopped, String::new()));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
}

#[test]
fn each_contract_reports_a_drain_that_the_other_requested() {
    let script = format!("trap 'echo quit' QUIT; {LOOP}");
    let wrapper = start(&[], &script);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    assert_eq!(check(&client).0, pb::Status::InShutdown);
    // A repeated request over the other contract: one drain, one signal.
    assert_eq!(graceful(&client).unwrap().0, pb::Status::InShutdown);
    wrapper.stdout.wait_for("quit");
    forceful(&client).unwrap();
    assert_eq!(wait_terminated(&client), "signal: terminated");
    assert_eq!(wrapper.stdout.text().matches("quit").count(), 1);
}

#[test]
fn the_reason_of_a_failure_has_the_text_of_go() {
    for (end, reason) in [
        ("exit 0", ""),
        ("exit 3", "exit status 3"),
        ("exit 255", "exit status 255"),
        ("kill -KILL $$", "signal: killed"),
        ("kill -TERM $$", "signal: terminated"),
        ("kill -USR1 $$", "signal: user defined signal 1"),
    ] {
        let wrapper = gitlab_wrapper(&[], end).start();
        let client = Client::connect(&wrapper.address());
        assert_eq!(wait_terminated(&client), reason, "{end}");
    }
}

#[test]
fn a_reason_says_whether_a_core_was_dumped() {
    let wrapper = gitlab_wrapper(&[], "kill -QUIT $$").start();
    let client = Client::connect(&wrapper.address());
    let reason = wait_terminated(&client);
    let expected = if client.get_state().core_dumped {
        "signal: quit (core dumped)"
    } else {
        "signal: quit"
    };
    assert_eq!(reason, expected);
}

#[test]
fn shutdown_calls_when_no_process_is_left_answer_ok_with_stopped() {
    let wrapper = gitlab_wrapper(&[], "exit 3").start();
    let client = Client::connect(&wrapper.address());
    wait_terminated(&client);
    let stopped = (pb::Status::Stopped, "exit status 3".to_owned());
    assert_eq!(graceful(&client).unwrap(), stopped);
    assert_eq!(forceful(&client).unwrap(), stopped);
    assert_eq!(check(&client), stopped);
    // No call had requested that exit, and a request now does not change the past.
    assert!(!client.get_state().requested);
}

#[test]
fn a_forceful_request_after_a_graceful_one_escalates() {
    let script = format!("trap 'echo quit' QUIT; trap 'echo term; exit 1' TERM; {LOOP}");
    let wrapper = start(&[], &script);
    let client = Client::connect(&wrapper.address());
    graceful(&client).unwrap();
    wrapper.stdout.wait_for("quit");
    assert_eq!(forceful(&client).unwrap().0, pb::Status::InShutdown);
    assert_eq!(wait_terminated(&client), "exit status 1");
    wrapper.stdout.wait_for("term");
    assert!(wrapper.stdout.text().ends_with("quit\nterm"));
}

#[test]
fn a_graceful_request_after_a_forceful_one_does_not_deescalate() {
    let script = format!(
        "trap 'echo quit' QUIT; trap 'echo term' TERM; trap 'echo usr1; exit 0' USR1; {LOOP}"
    );
    let wrapper = start(&[], &script);
    let client = Client::connect(&wrapper.address());
    forceful(&client).unwrap();
    wrapper.stdout.wait_for("term");
    assert_eq!(graceful(&client).unwrap().0, pb::Status::InShutdown);
    // A signal sent after the call arrives last, so that no other signal can follow.
    wrapper.signal(Signal::SIGUSR1);
    wrapper.stdout.wait_for("usr1");
    assert_eq!(wait_terminated(&client), "");
    assert!(!wrapper.stdout.text().contains("quit"));
}

#[test]
fn kill_after_counts_from_a_forceful_request_too() {
    let script = format!("trap 'echo term' TERM; {LOOP}");
    let wrapper = start_ready(&["--kill-after", "500ms"], &script);
    let client = Client::connect(&wrapper.address());
    forceful(&client).unwrap();
    wrapper.stdout.wait_for("term");
    assert_eq!(wait_terminated(&client), "signal: killed");
    assert_eq!(wrapper.stdout.text().matches("term").count(), 1);
}

#[test]
fn a_callback_without_a_url_is_none() {
    let wrapper = start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    let request = pb::InitGracefulShutdownRequest {
        shutdown_callback: Some(pb::ShutdownCallback {
            method: "PUT".to_owned(),
            ..Default::default()
        }),
    };
    let answer: pb::InitGracefulShutdownResponse = client.call(GRACEFUL, request, None).unwrap();
    assert!(answer.status() >= pb::Status::InShutdown);
    assert_eq!(wait_terminated(&client), "exit status 3");
}

#[test]
fn messages_have_the_names_and_numbers_of_the_contract() {
    let files = prost_types::FileDescriptorSet::decode(process_wrapper::pb::DESCRIPTORS).unwrap();
    let file = files
        .file
        .iter()
        .find(|file| file.package() == "gitlab_com.gitlab_runner.runner_wrapper")
        .unwrap();
    assert_eq!(file.syntax(), "proto3");
    let methods: Vec<_> = file.service[0]
        .method
        .iter()
        .map(|method| (method.name(), method.input_type(), method.output_type()))
        .collect();
    let full = |name: &str| format!(".gitlab_com.gitlab_runner.runner_wrapper.{name}");
    assert_eq!(file.service[0].name(), "ProcessWrapper");
    assert_eq!(methods.len(), 3);
    for (name, input, output) in methods {
        assert!(
            [
                "CheckStatus",
                "InitGracefulShutdown",
                "InitForcefulShutdown"
            ]
            .contains(&name)
        );
        assert_eq!(input, full(&format!("{name}Request")));
        assert_eq!(output, full(&format!("{name}Response")));
    }
    let values: Vec<_> = file.enum_type[0]
        .value
        .iter()
        .map(|value| (value.name(), value.number()))
        .collect();
    let expected = [
        ("unknown", 0),
        ("running", 1),
        ("in_shutdown", 2),
        ("stopped", 3),
    ];
    assert_eq!(values, expected);
    let fields = |message: &str| {
        let message = file
            .message_type
            .iter()
            .find(|m| m.name() == message)
            .unwrap();
        let fields = message.field.iter();
        fields
            .map(|field| format!("{} {}", field.name(), field.number()))
            .collect::<Vec<_>>()
    };
    for name in [
        "CheckStatus",
        "InitGracefulShutdown",
        "InitForcefulShutdown",
    ] {
        assert_eq!(
            fields(&format!("{name}Response")),
            ["status 1", "failureReason 2"]
        );
    }
    assert_eq!(fields("CheckStatusRequest"), [""; 0]);
    assert_eq!(fields("InitForcefulShutdownRequest"), [""; 0]);
    assert_eq!(
        fields("InitGracefulShutdownRequest"),
        ["shutdownCallback 1"]
    );
    assert_eq!(
        fields("ShutdownCallback"),
        ["url 1", "method 2", "headers 3"]
    );
}

#[test]
fn a_forceful_request_that_would_end_nothing_is_refused() {
    let wrapper = start_ready(&["--forceful-signal=none"], DRAINS);
    let client = Client::connect(&wrapper.address());
    let refused = forceful(&client).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("--kill-after"), "{refused:?}");
    assert_eq!(check(&client).0, pb::Status::Running);
    assert_eq!(graceful(&client).unwrap().0, pb::Status::InShutdown);
    assert_eq!(wait_terminated(&client), "exit status 3");
}
