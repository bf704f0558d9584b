//! Webhooks of a running wrapper, requested by options and by calls.

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::webhook_delivery::Phase;
use process_wrapper::pb::process_wrapper::v1::{
    InitiateGracefulShutdownRequest, Process, State, Webhook, WebhookDelivery,
};
use tonic::Code;

use crate::support::client::Client;
use crate::support::webhook_receiver::{Answer, Receiver, ok, status};
use crate::support::{self, DRAINS, Wrapper, eventually};

pub fn with_webhook(url: &str, headers: &[(&str, &str)]) -> InitiateGracefulShutdownRequest {
    InitiateGracefulShutdownRequest {
        webhook: Some(Webhook {
            url: url.to_owned(),
            method: String::new(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }),
        ..InitiateGracefulShutdownRequest::default()
    }
}

/// Waits until the only webhook has ended.
pub fn ended(client: &Client) -> WebhookDelivery {
    let mut delivery = WebhookDelivery::default();
    eventually("the webhook ends", || {
        delivery = client.get_state().webhooks.remove(0);
        delivery.phase() != Phase::Pending
    });
    delivery
}

pub fn draining(options: &[&str]) -> (Wrapper, Client) {
    let wrapper = support::start_ready(options, DRAINS);
    let client = Client::connect(&wrapper.address());
    (wrapper, client)
}

fn gone(client: &Client) -> Process {
    client.wait_until(State::Gone, None).unwrap()
}

#[test]
fn a_webhook_reports_the_exit_status() {
    let receiver = Receiver::start([ok()]);
    let (mut wrapper, client) = draining(&[]);
    let request = with_webhook(&receiver.url("/s3cret?t=s3cret"), &[("X-Token", "s3cret")]);
    let process = client.shut_down_with(request).unwrap();
    assert_eq!(process.webhooks[0].phase(), Phase::Pending);
    let request = receiver.request();
    assert_eq!(
        (&*request.method, &*request.target),
        ("POST", "/s3cret?t=s3cret")
    );
    assert_eq!(request.headers["x-token"], "s3cret");
    let body = request.json();
    let facts = gone(&client);
    assert_eq!(body["state"], "gone");
    assert_eq!(body["exit_code"], 3);
    assert_eq!(body["exit_signal"], serde_json::Value::Null);
    assert_eq!(body["requested"], true);
    assert_eq!(body["pid"], facts.pid);
    assert_eq!(body["program"], "sh");
    assert_eq!(
        body["hostname"],
        rustix::system::uname().nodename().to_str().unwrap()
    );
    for field in ["started_at", "shutdown_requested_at", "exited_at"] {
        let time = body[field].as_str().unwrap();
        humantime::parse_rfc3339(time).unwrap();
    }
    let delivery = ended(&client);
    assert_eq!(delivery.phase(), Phase::Delivered);
    assert_eq!((delivery.attempts, &*delivery.last_error), (1, ""));
    assert_eq!(delivery.id, request.id());
    assert_eq!(delivery.target, format!("http://{}", receiver.address));
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    let log = wrapper.stderr.all();
    assert!(
        log.contains(&delivery.id) && log.contains("webhook delivered"),
        "{log}"
    );
    assert!(!format!("{log} {facts:?}").contains("s3cret"), "{log}");
}

#[test]
fn proxy_variables_are_not_read() {
    let (receiver, proxy) = (Receiver::start([ok()]), Receiver::start([ok()]));
    let url = receiver.url("/");
    let mut setup = support::setup(&["--webhook", &url], &["sh", "-c", "exit 0"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        setup = setup.env(name, proxy.url(""));
    }
    let _wrapper = setup.start();
    assert_eq!(receiver.request().target, "/");
    assert_eq!(proxy.more().len(), 0);
}

#[test]
fn a_webhook_survives_a_fast_exit() {
    let receiver = Receiver::start([ok()]);
    let wrapper = support::start_ready(&[], "echo ready; exec sleep 600");
    let client = Client::connect(&wrapper.address());
    let process = client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap();
    assert_eq!(process.webhooks.len(), 1);
    // QUIT ends sleep at once.
    assert_eq!(receiver.request().json()["exit_signal"], 3);
    assert_eq!(ended(&client).phase(), Phase::Delivered);
}

#[test]
fn webhooks_of_the_command_line_cover_crashes() {
    let receiver = Receiver::start([ok()]);
    let url = receiver.url("/cli");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhooks");
    let text = format!(
        "# who else\nPUT {}\nX-Token: s3cret\n",
        receiver.url("/file")
    );
    std::fs::write(&file, text).unwrap();
    let options = ["--webhook", &url, "--webhook-file", file.to_str().unwrap()];
    let wrapper = support::start_ready(&options, "echo ready; kill -9 $$");
    let mut requests = [receiver.request(), receiver.request()];
    requests.sort_by(|one, other| one.target.cmp(&other.target));
    let [cli, file] = requests;
    assert_eq!((&*cli.target, &*cli.method), ("/cli", "POST"));
    assert_eq!((&*file.target, &*file.method), ("/file", "PUT"));
    assert_eq!(file.headers["x-token"], "s3cret");
    assert_ne!(cli.id(), file.id());
    for request in [cli, file] {
        let body = request.json();
        assert_eq!(
            (&body["exit_signal"], &body["requested"]),
            (&9.into(), &false.into())
        );
        assert_eq!(body["shutdown_requested_at"], serde_json::Value::Null);
    }
    let client = Client::connect(&wrapper.address());
    eventually("both are delivered", || {
        let webhooks = client.get_state().webhooks;
        webhooks
            .iter()
            .filter(|webhook| webhook.phase() == Phase::Delivered)
            .count()
            == 2
    });
    assert!(!wrapper.stderr.text().contains("s3cret"));
}

#[test]
fn a_request_after_the_exit_is_delivered_at_once_and_only_once() {
    let receiver = Receiver::start([ok()]);
    let wrapper = support::start_ready(&[], "echo ready; exit 5");
    let client = Client::connect(&wrapper.address());
    gone(&client);
    let request = with_webhook(&receiver.url("/"), &[]);
    client.shut_down_with(request.clone()).unwrap();
    let first = receiver.request();
    assert_eq!(
        (&first.json()["exit_code"], &first.json()["requested"]),
        (&5.into(), &false.into())
    );
    assert_eq!(ended(&client).phase(), Phase::Delivered);
    // A delivered webhook stays delivered, whichever caller asks again.
    let process = client.shut_down_with(request).unwrap();
    assert_eq!(process.webhooks.len(), 1);
    assert_eq!(
        (process.webhooks[0].phase(), process.webhooks[0].attempts),
        (Phase::Delivered, 1)
    );
    assert_eq!(receiver.more().len(), 0);
}

#[test]
fn a_failed_webhook_is_rearmed_with_the_same_id() {
    let receiver = Receiver::start([status("404 Not Found"), ok()]);
    let (_wrapper, client) = draining(&[]);
    let request = with_webhook(&receiver.url("/"), &[("x-token", "old")]);
    client.shut_down_with(request).unwrap();
    let failed = ended(&client);
    assert_eq!(
        (failed.phase(), &*failed.last_error),
        (Phase::Failed, "answered 404")
    );
    let again = with_webhook(&receiver.url("/"), &[("x-token", "new")]);
    let armed = client.shut_down_with(again).unwrap();
    assert_eq!(armed.webhooks[0].phase(), Phase::Pending);
    let (first, second) = (receiver.request(), receiver.request());
    assert_eq!(first.id(), second.id());
    assert_eq!(second.headers["x-token"], "new");
    assert_eq!(second.json()["attempt"], 2);
    assert_eq!(ended(&client).phase(), Phase::Delivered);
}

#[test]
fn the_state_shows_attempts_the_next_one_and_the_last_error() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 300\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start([Answer::Says(busy.to_owned())]);
    let (_wrapper, client) = draining(&[]);
    client
        .shut_down_with(with_webhook(&receiver.url("/"), &[]))
        .unwrap();
    receiver.request();
    let mut delivery = WebhookDelivery::default();
    eventually("the first attempt has failed", || {
        delivery = client.get_state().webhooks.remove(0);
        delivery.next_attempt_at.is_some()
    });
    assert_eq!((delivery.phase(), delivery.attempts), (Phase::Pending, 1));
    assert_eq!(delivery.last_error, "answered 503");
    let at = std::time::SystemTime::try_from(delivery.next_attempt_at.unwrap()).unwrap();
    let wait = at
        .duration_since(std::time::SystemTime::now())
        .unwrap()
        .as_secs();
    assert!((250..=300).contains(&wait), "{wait}");
}

#[test]
fn several_tools_register_their_own_urls_up_to_a_limit() {
    let receiver = Receiver::start([ok()]);
    let (wrapper, client) = draining(&[]);
    // Not asked to stop by the first of them: --webhook would do, but each is to be a request.
    wrapper.stdout.wait_for("ready");
    let limit = usize::from(process_wrapper::lifecycle::MAX_WEBHOOKS);
    for n in 0..limit {
        let request = with_webhook(&receiver.url(&format!("/{n}")), &[]);
        assert_eq!(
            client.shut_down_with(request).unwrap().webhooks.len(),
            n + 1
        );
    }
    let more = with_webhook(&receiver.url("/more"), &[]);
    let refused = client.shut_down_with(more).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(client.get_state().webhooks.len(), limit);
    let known = with_webhook(&receiver.url("/0"), &[]);
    assert_eq!(client.shut_down_with(known).unwrap().webhooks.len(), limit);
    let mut targets: Vec<String> = (0..limit).map(|_| receiver.request().target).collect();
    targets.sort();
    let mut expected: Vec<String> = (0..limit).map(|n| format!("/{n}")).collect();
    expected.sort();
    assert_eq!(targets, expected);
}

#[test]
fn the_webhook_reports_the_after_exit_result_and_a_failing_command_delays_nothing() {
    for (command, phase, code, signal) in [
        ("sh -c 'exit 9'", "ended", Some(9), None),
        ("/no/such/program", "failed_to_start", None, None),
        ("sleep 600", "timed_out", None, Some(15)),
    ] {
        let receiver = Receiver::start([ok()]);
        let url = receiver.url("/");
        let mut options = vec!["--webhook", &url, "--after-exit", command];
        if phase == "timed_out" {
            options.push("--after-exit-timeout=100ms");
        }
        let wrapper = support::start_ready(&options, "echo ready; exit 0");
        let client = Client::connect(&wrapper.address());
        // The process is gone before the command has ended, and the webhook comes last.
        gone(&client);
        let after_exit = receiver.request().json()["after_exit"].clone();
        assert_eq!(after_exit["phase"], phase);
        let as_json = |number: Option<i32>| serde_json::Value::from(number);
        assert_eq!(after_exit["exit_code"], as_json(code), "{after_exit}");
        assert_eq!(after_exit["exit_signal"], as_json(signal), "{after_exit}");
        let names_it = after_exit["error"].to_string().contains("/no/such/program");
        assert_eq!(names_it, phase == "failed_to_start", "{after_exit}");
    }
}

#[test]
fn a_callback_of_gitlabs_contract_is_a_get_unless_it_says_otherwise() {
    use process_wrapper::pb::gitlab_com::gitlab_runner::runner_wrapper as gitlab;

    for (method, expected) in [("", "GET"), ("POST", "POST")] {
        let receiver = Receiver::start([ok()]);
        let (_wrapper, client) = draining(&[]);
        let request = gitlab::InitGracefulShutdownRequest {
            shutdown_callback: Some(gitlab::ShutdownCallback {
                url: receiver.url("/done"),
                method: method.to_owned(),
                headers: [("X-Token".to_owned(), "s3cret".to_owned())].into(),
            }),
        };
        let path = "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown";
        let _: gitlab::InitGracefulShutdownResponse = client.call(path, request, None).unwrap();
        let request = receiver.request();
        assert_eq!((&*request.method, &*request.target), (expected, "/done"));
        assert_eq!(request.headers["x-token"], "s3cret");
        assert_eq!(ended(&client).phase(), Phase::Delivered);
    }
}
