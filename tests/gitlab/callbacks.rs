//! Callbacks: what GitLab's own wrapper gets wrong about them.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::WebhookDelivery;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery::Phase;
use tonic::Code;

use super::support::client::Client;
use super::*;
use crate::support::webhook_receiver::{Answer, Receiver, ok};

fn graceful_with(client: &Client, url: &str, method: &str) -> Result<pb::Status, Status> {
    let request = pb::InitGracefulShutdownRequest {
        shutdown_callback: Some(pb::ShutdownCallback {
            url: url.to_owned(),
            method: method.to_owned(),
            headers: [("X-Token".to_owned(), "secret".to_owned())].into(),
        }),
    };
    let answer: pb::InitGracefulShutdownResponse = client.call(GRACEFUL, request, None)?;
    Ok(answer.status())
}

/// How the only callback ended.
fn ended(client: &Client) -> WebhookDelivery {
    let mut delivery = WebhookDelivery::default();
    support::eventually("the callback ends", || {
        delivery = client.get_state().webhooks.remove(0);
        delivery.phase() != Phase::Pending
    });
    delivery
}

/// There, it was registered after the signal, and a fast exit skipped it.
#[test]
fn defect_04_the_callback_of_a_runner_that_exits_at_once_is_sent() {
    for _ in 0..10 {
        let receiver = Receiver::start([ok()]);
        let wrapper = start(&[], "echo ready; exec sleep 600");
        let client = Client::connect(&wrapper.address());
        graceful_with(&client, &receiver.url("/done"), "").unwrap();
        let request = receiver.request();
        assert_eq!((&*request.method, &*request.target), ("GET", "/done"));
        assert_eq!(request.headers["x-token"], "secret");
        assert_eq!(ended(&client).phase(), Phase::Delivered);
    }
}

/// There, a call without a runner was answered with OK, and its callback was dropped.
#[test]
fn defect_05_a_callback_given_before_the_runner_or_after_it_is_sent() {
    for _ in 0..10 {
        let receiver = Receiver::start([ok()]);
        let wrapper = gitlab_wrapper(&[], "exec sleep 600").start();
        // As early as there is anybody to connect to.
        let client = Client::connect(&wrapper.address());
        graceful_with(&client, &receiver.url("/early"), "").unwrap();
        assert_eq!(receiver.request().target, "/early");
    }
    let receiver = Receiver::start([ok()]);
    let wrapper = gitlab_wrapper(&[], "exit 3").start();
    let client = Client::connect(&wrapper.address());
    wait_terminated(&client);
    let answer = graceful_with(&client, &receiver.url("/late"), "").unwrap();
    assert_eq!(answer, pb::Status::Stopped);
    assert_eq!(receiver.request().target, "/late");
    assert_eq!(ended(&client).phase(), Phase::Delivered);
}

/// There, it was tried once, whatever came back was a success, and the wrapper's own stop cancelled
/// it.
#[test]
fn defect_07_a_callback_is_tried_again_also_while_the_wrapper_is_told_to_stop() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start([Answer::Says(busy.to_owned()), ok()]);
    let mut wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    graceful_with(&client, &receiver.url("/done"), "POST").unwrap();
    let first = receiver.request();
    wrapper.signal(Signal::SIGTERM);
    let second = receiver.request();
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    // A POST says what happened.
    assert!(second.body.contains("\"exit_code\":0"), "{}", second.body);
    assert_eq!(wrapper.code(), 0);
    assert!(wrapper.stderr.all().contains("webhook delivered"));
}

/// There, redirects were followed, and the outcome was nowhere to be seen.
#[test]
fn defect_07_a_redirect_is_not_followed_and_the_outcome_is_reported() {
    let elsewhere = Receiver::start([ok()]);
    let moved = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url("/")
    );
    let receiver = Receiver::start([Answer::Says(moved)]);
    let wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    graceful_with(&client, &receiver.url("/done"), "").unwrap();
    let delivery = ended(&client);
    assert_eq!(delivery.phase(), Phase::Failed);
    assert!(delivery.last_error.contains("302"), "{delivery:?}");
    assert_eq!(elsewhere.more().len(), 0);
}

#[test]
fn credentials_in_the_url_become_basic_authentication_and_are_shown_nowhere() {
    let receiver = Receiver::start([ok()]);
    let wrapper = start(&["--log-level", "trace"], RUNNER);
    let client = Client::connect(&wrapper.address());
    let url = receiver
        .url("/done")
        .replace("http://", "http://Aladdin:open%20sesame@");
    graceful_with(&client, &url, "purge").unwrap();
    let request = receiver.request();
    assert_eq!((&*request.method, &*request.target), ("purge", "/done"));
    assert_eq!(
        request.headers["authorization"],
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
    assert!(!request.headers["host"].contains('@'));
    assert_eq!(ended(&client).phase(), Phase::Delivered);
    let shown = format!("{:?} {}", client.get_state(), wrapper.stderr.text());
    for secret in ["Aladdin", "sesame", "QWxhZGRpbj"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    // Our own contract asks for a header instead, and standard methods are in upper case.
    let receiver = Receiver::start([ok()]);
    let wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    graceful_with(&client, &receiver.url("/done"), "post").unwrap();
    assert_eq!(receiver.request().method, "POST");
    let refused = graceful_with(&client, &receiver.url("/other"), "a b").unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("nothing was signalled"),
        "{refused}"
    );
}

/// There, a crash never triggered it.
#[test]
fn defect_07_a_crash_is_reported_to_the_webhook_of_the_command_line() {
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/crash");
    let _wrapper = support::start_ready(&["--webhook", &url], "echo ready; kill -KILL $$");
    let request = receiver.request();
    assert_eq!(request.target, "/crash");
    assert!(
        request.body.contains("\"exit_signal\":9"),
        "{}",
        request.body
    );
}

/// There, a caller chose any URL, that of a cloud's metadata service included.
#[test]
fn defect_11_a_callback_to_the_metadata_service_is_refused_and_nothing_is_signalled() {
    let wrapper = start(&[], RUNNER);
    let client = Client::connect(&wrapper.address());
    for (url, code) in [
        (
            "http://169.254.169.254/latest/meta-data/",
            Code::PermissionDenied,
        ),
        ("file:///etc/passwd", Code::InvalidArgument),
        ("gopher://127.0.0.1/", Code::InvalidArgument),
    ] {
        let refused = graceful_with(&client, url, "").unwrap_err();
        assert_eq!(refused.code(), code, "{url}");
    }
    assert_eq!(check(&client), (pb::Status::Running, String::new()));
    let rules = ["--webhook-allow", "hooks.example.com"];
    let strict = support::start_ready(&rules, RUNNER);
    let client = Client::connect(&strict.address());
    let refused = graceful_with(&client, "http://127.0.0.1:1/", "").unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(strict.stdout.text(), "ready");
}
