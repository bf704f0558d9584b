//! Refused webhooks: no signal is sent, and no error repeats a secret.

use std::process::Command;

use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};
use tonic::Code;

use crate::support::client::Client;
use crate::support::webhook_receiver::{Receiver, ok};
use crate::support::{self, DRAINS, binary, eventually};
use crate::wrapper::with_webhook;

/// Sends the request and asserts that it had no effect.
fn refused(client: &Client, request: InitiateGracefulShutdownRequest) -> tonic::Status {
    let status = client.shut_down_with(request).unwrap_err();
    let process = client.get_state();
    assert_eq!(process.state(), State::Running, "{status}");
    assert_eq!(process.webhooks, []);
    assert!(!status.message().contains("s3cret"), "{status}");
    status
}

#[test]
fn bad_webhooks_are_invalid_and_signal_nothing() {
    let wrapper = support::start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    for url in [
        "",
        "s3cret",
        "ftp://h/s3cret",
        "http://u:s3cret@h/",
        "http://h:0/",
        "http://[::g]/",
    ] {
        let status = refused(&client, with_webhook(url, &[]));
        assert_eq!(status.code(), Code::InvalidArgument, "{url:?}");
    }
    for (name, value) in [
        ("Host", "x"),
        ("content-length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("webhook-id", "x"),
        ("x", "s3cret\r\ny: z"),
        ("x\r\ny", "s3cret"),
        ("", "s3cret"),
    ] {
        let status = refused(&client, with_webhook("http://127.0.0.1/", &[(name, value)]));
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?}");
    }
    let mut request = with_webhook("http://127.0.0.1/", &[]);
    request.webhook.as_mut().unwrap().method = "CONNECT".to_owned();
    assert_eq!(refused(&client, request).code(), Code::InvalidArgument);
    assert!(!wrapper.stdout.text().contains("draining"));
    assert!(!wrapper.stderr.text().contains("s3cret"));
}

#[test]
fn denied_addresses_are_refused_and_signal_nothing() {
    let wrapper = support::start_ready(&[], DRAINS);
    let client = Client::connect(&wrapper.address());
    for url in [
        "http://169.254.169.254/latest/s3cret",
        "http://2852039166/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::169.254.169.254]/",
    ] {
        let status = refused(&client, with_webhook(url, &[]));
        assert_eq!(status.code(), Code::PermissionDenied, "{url}: {status}");
    }
    assert!(!wrapper.stdout.text().contains("draining"));
}

#[test]
fn webhook_allow_accepts_only_listed_addresses() {
    let options = [
        "--webhook-allow",
        "hooks.example:8443",
        "--webhook-allow",
        "169.254.7.0/24",
    ];
    let wrapper = support::start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    for url in ["http://127.0.0.1/", "http://169.254.8.1/"] {
        let status = refused(&client, with_webhook(url, &[]));
        assert_eq!(status.code(), Code::PermissionDenied, "{url}: {status}");
    }
    let taken = with_webhook("https://hooks.example:8443/", &[]);
    assert_eq!(client.shut_down_with(taken).unwrap().webhooks.len(), 1);
}

#[test]
fn a_world_readable_secret_file_is_warned_of_once() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    for (mode, warnings) in [(0o644, 2), (0o640, 0)] {
        let webhooks = write("webhooks", "http://h.example/s3cret\n", mode);
        let secret = write("secret", &format!("whsec_{}", "s3cr".repeat(8)), mode);
        let output = Command::new(binary())
            .arg("run")
            .arg(format!("--listen=unix:{}/s", folder.path().display()))
            .args(["--webhook-file", &webhooks])
            .args(["--webhook-secret-file", &secret])
            .args(["--", "/nonexistent"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(127), "{text}");
        assert_eq!(
            text.matches("can read this secret").count(),
            warnings,
            "{text}"
        );
        assert!(!text.contains("s3cr"), "{text}");
    }
}

#[test]
fn bad_options_start_nothing_and_repeat_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let webhooks = write("webhooks", "https://h.example/\nhost: s3cret\n");
    let secret = write("secret", "whsec_s3cret");
    let authorities = write("authorities", "s3cret");
    for (options, expected) in [
        (vec!["--webhook", "ftp://h/s3cret"], "--webhook:"),
        (
            vec!["--webhook", "http://169.254.169.254/s3cret"],
            "169.254.169.254/32",
        ),
        (vec!["--webhook-file", &webhooks], "line 1"),
        (vec!["--webhook-file", "/nonexistent"], "/nonexistent"),
        (vec!["--webhook-secret-file", &secret], "line 1"),
        (vec!["--webhook-ca-file", &authorities], "PEM"),
        (vec!["--webhook-deadline", "0"], "--webhook-deadline"),
        (vec!["--webhook-allow", "*"], "10.0.0.0/8"),
        (
            vec!["--webhook", "http://h/", "--webhook-allow", "other"],
            "--webhook-allow",
        ),
    ] {
        let output = Command::new(binary())
            .args(["run", "--listen", "unix:/nonexistent/x"])
            .args(&options)
            .args(["--", "echo", "started"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {text}");
        assert!(text.contains(expected), "{options:?}: {text}");
        assert!(!text.contains("s3cret"), "{options:?}: {text}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_caller_over_tcp_reaches_no_port_of_the_wrappers_host() {
    let receiver = Receiver::start([ok()]);
    let port = receiver.address.port();
    let over_tcp = |options: &[&str]| {
        let options = [&["--listen", "tcp://127.0.0.1:0"], options].concat();
        let wrapper = support::start_ready(&options, DRAINS);
        let line = wrapper.stderr.wait_for("role=control address=tcp://");
        let (_, address) = line.split_once("address=").unwrap();
        let address = address.split_whitespace().next().unwrap().to_owned();
        let client = Client::connect(&address);
        (wrapper, client)
    };
    let (wrapper, client) = over_tcp(&[]);
    for host in [
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "localhost",
    ] {
        let status = refused(
            &client,
            with_webhook(&format!("http://{host}:{port}/"), &[]),
        );
        assert_eq!(status.code(), Code::PermissionDenied, "{host}: {status}");
        assert!(status.message().contains("--webhook-allow"), "{status}");
    }
    // The caller does not read how an attempt failed elsewhere.
    let url = "http://no-such-host.invalid/";
    client.shut_down_with(with_webhook(url, &[])).unwrap();
    wrapper
        .stderr
        .wait_for("cannot resolve no-such-host.invalid");
    eventually("the attempt has failed", || {
        let delivery = client.get_state().webhooks.remove(0);
        assert!(!delivery.last_error.contains("resolve"), "{delivery:?}");
        delivery.last_error.contains("the log of the wrapper")
    });

    let url = format!("http://localhost:{port}/");
    let (_wrapper, client) = over_tcp(&["--webhook-allow", "localhost"]);
    client.shut_down_with(with_webhook(&url, &[])).unwrap();
    receiver.request();
}
