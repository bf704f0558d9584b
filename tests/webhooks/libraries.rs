//! Receivers that use the Standard Webhooks libraries for JavaScript and Python.

use std::process::Command;

use crate::secure::SECRET;
use crate::support::client::Client;
use crate::support::webhook_receiver::{Receiver, Request, ok};
use crate::support::{self, DRAINS, peers};
use crate::wrapper::with_webhook;

const OTHER_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A webhook about the end of a process, signed with [`SECRET`].
fn signed(method: &str) -> Request {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let receiver = Receiver::start([ok()]);
    let options = ["--webhook-secret-file", secret.to_str().unwrap()];
    let wrapper = support::start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    let url = receiver.url("/end");
    let mut shutdown = with_webhook(&url, &[]);
    shutdown.webhook.as_mut().unwrap().method = method.to_owned();
    client.shut_down_with(shutdown).unwrap();
    receiver.request()
}

/// The library behind `receiver` accepts the request, and refuses it with another secret or body.
fn verifies(receiver: &dyn Fn() -> Command) {
    let request = signed("POST");
    let headers = serde_json::to_string(&request.headers).unwrap();
    let verify = |secret: &str, body: &str| {
        let output = receiver().args([secret, &headers, body]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), output.stdout, error)
    };
    let (accepted, payload, error) = verify(SECRET, &request.body);
    assert!(accepted, "{request:?}: {error}");
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload, request.json());
    let altered = format!("{} ", request.body);
    for (secret, body) in [(OTHER_SECRET, &request.body), (SECRET, &altered)] {
        let (accepted, _, error) = verify(secret, body);
        assert!(!accepted, "accepted {body:?} with {secret}");
        assert!(error.contains("No matching signature found"), "{error}");
    }
    // A callback of GitLab's contract is a GET without a body, signed over an empty one.
    let request = signed("GET");
    let headers = serde_json::to_string(&request.headers).unwrap();
    for (secret, expected) in [(SECRET, true), (OTHER_SECRET, false)] {
        let output = receiver().args([secret, &headers, ""]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), expected, "{error}");
    }
}

#[test]
fn the_javascript_library_of_standard_webhooks_verifies_a_delivery() {
    if peers::node("verify_webhook.js").is_some() {
        verifies(&|| peers::node("verify_webhook.js").unwrap());
    }
}

#[test]
fn the_python_library_of_standard_webhooks_verifies_a_delivery() {
    let Some(python) = peers::python("standardwebhooks") else {
        return;
    };
    verifies(&|| {
        let mut command = Command::new(&python);
        command.arg(peers::source("python/verify_webhook.py"));
        command
    });
}
