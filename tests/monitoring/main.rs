//! `--http-listen`: metrics and probes are right before, during and after a drain.

#![cfg(feature = "monitor")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod prometheus;
mod selectors;
mod shipped;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;
use support::http1::{self, exchange};
use support::{DRAINS, eventually, start_ready};

/// The status and the body of a page.
fn get(address: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// The value of the one series that begins so.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let mut lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(series))
        // No labels may be written as an empty set of them.
        .filter_map(|rest| rest.strip_prefix("{}").unwrap_or(rest).strip_prefix(' '));
    let value = lines.next()?.parse().unwrap();
    assert_eq!(lines.next(), None, "{series} is there twice");
    Some(value)
}

fn state_of(metrics: &str) -> Vec<String> {
    metrics
        .lines()
        .filter(|line| line.starts_with("process_wrapper_process_state{") && line.ends_with(" 1"))
        .map(|line| line.split('"').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn pages_follow_the_state_from_running_to_gone() {
    let mut wrapper = start_ready(
        &["--http-listen", "tcp://127.0.0.1:0"],
        support::DRAINS_UNTIL_TOLD,
    );
    let address = http1::address(&wrapper);
    assert_eq!(get(&address, "/livez"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "running\n".to_owned()));
    let (status, metrics) = get(&address, "/metrics");
    assert_eq!(
        (status, state_of(&metrics)),
        (200, vec!["running".to_owned()])
    );
    assert_eq!(value(&metrics, "process_wrapper_process_exit_code"), None);
    assert!(value(&metrics, "process_wrapper_process_start_time_seconds").unwrap() > 1.7e9);
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n";
    let open_metrics = exchange(&address, request);
    assert!(open_metrics.ends_with("# EOF\n"));
    for line in [
        "# TYPE process_wrapper_build info\n",
        "# TYPE process_wrapper_process_state stateset\n",
        // The rule for the label of a state set.
        "\nprocess_wrapper_process_state{process_wrapper_process_state=\"running\"} 1\n",
        "\nprocess_wrapper_process_state{process_wrapper_process_state=\"gone\"} 0\n",
    ] {
        assert!(open_metrics.contains(line), "{line:?}: {open_metrics}");
    }

    let client = Client::connect(&wrapper.address());
    client.shut_down();
    assert_eq!(get(&address, "/livez").0, 200);
    assert_eq!(
        get(&address, "/readyz"),
        (503, "shutting_down\n".to_owned())
    );
    let metrics = get(&address, "/metrics").1;
    assert_eq!(state_of(&metrics), ["shutting_down"]);
    assert!(
        value(
            &metrics,
            "process_wrapper_process_shutdown_requested_time_seconds"
        )
        .is_some()
    );

    // Only a signal ends this child: it has no file to wait for.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(wrapper.child_pid()),
        Signal::SIGTERM,
    )
    .unwrap();
    client.wait_until(State::Gone, None).unwrap();
    assert_eq!(get(&address, "/readyz"), (503, "gone\n".to_owned()));
    let metrics = get(&address, "/metrics").1;
    assert_eq!(state_of(&metrics), ["gone"]);
    assert_eq!(
        value(&metrics, "process_wrapper_process_exit_signal"),
        Some(15.0)
    );
    assert_eq!(
        value(&metrics, "process_wrapper_process_exit_requested"),
        Some(1.0)
    );
    assert!(value(&metrics, "process_wrapper_process_exit_time_seconds").is_some());
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 15);
}

#[test]
fn calls_and_connections_are_counted_by_method_and_code() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    let client = Client::connect(&wrapper.address());
    for _ in 0..3 {
        client.state();
    }
    let wrong = process_wrapper::pb::process_wrapper::v1::GetStateRequest { wait_until: 77 };
    let refused: Result<process_wrapper::pb::process_wrapper::v1::GetStateResponse, _> =
        client.call(support::client::GET_STATE, wrong, None);
    refused.unwrap_err();
    let missing: Result<process_wrapper::pb::process_wrapper::v1::GetStateResponse, _> = client
        .call(
            "/process_wrapper.v1.ProcessWrapper/MadeUpByTheCaller",
            process_wrapper::pb::process_wrapper::v1::GetStateRequest::default(),
            None,
        );
    missing.unwrap_err();
    let metrics = get(&address, "/metrics").1;
    let calls = |method: &str, code: &str| {
        let series =
            format!("process_wrapper_grpc_calls_total{{method=\"{method}\",code=\"{code}\"}}");
        value(&metrics, &series)
    };
    let method = "process_wrapper.v1.ProcessWrapper/GetState";
    assert_eq!(calls(method, "OK"), Some(3.0), "{metrics}");
    assert_eq!(calls(method, "INVALID_ARGUMENT"), Some(1.0));
    assert_eq!(calls("unknown", "UNIMPLEMENTED"), Some(1.0));
    assert!(!metrics.contains("MadeUpByTheCaller"));
    assert_eq!(
        value(&metrics, "process_wrapper_grpc_connections"),
        Some(1.0)
    );
    let durations =
        format!("process_wrapper_grpc_call_duration_seconds_count{{method=\"{method}\"}}");
    assert_eq!(value(&metrics, &durations), Some(4.0));
}

#[test]
fn reaped_orphans_are_counted() {
    let script = "(true &); (true &); echo ready; exec sleep 1000";
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], script);
    let address = http1::address(&wrapper);
    eventually("two orphans are counted", || {
        let metrics = get(&address, "/metrics").1;
        value(&metrics, "process_wrapper_orphans_reaped_total") == Some(2.0)
    });
}

#[cfg(feature = "webhooks")]
#[test]
fn webhooks_are_counted_by_phase_and_attempt() {
    let broken = support::webhook_receiver::status("503 Service Unavailable");
    let receiver =
        support::webhook_receiver::Receiver::start([broken, support::webhook_receiver::ok()]);
    let url = receiver.url("/gone");
    let wrapper = start_ready(
        &["--http-listen=tcp://127.0.0.1:0", "--webhook", &url],
        DRAINS,
    );
    let address = http1::address(&wrapper);
    let phase = |metrics: &str, phase: &str| {
        value(
            metrics,
            &format!("process_wrapper_webhooks{{phase=\"{phase}\"}}"),
        )
    };
    let metrics = get(&address, "/metrics").1;
    assert_eq!(phase(&metrics, "pending"), Some(1.0), "{metrics}");
    let attempts = "process_wrapper_webhook_attempts_total";
    assert_eq!(value(&metrics, attempts), Some(0.0));
    Client::connect(&wrapper.address()).shut_down();
    eventually("the webhook is delivered", || {
        phase(&get(&address, "/metrics").1, "delivered") == Some(1.0)
    });
    let metrics = get(&address, "/metrics").1;
    assert_eq!(phase(&metrics, "pending"), Some(0.0));
    assert_eq!(phase(&metrics, "failed"), Some(0.0));
    assert_eq!(value(&metrics, attempts), Some(2.0));
}

#[test]
fn promtool_accepts_the_metrics() {
    let Some(promtool) = support::peers::find("promtool") else {
        return;
    };
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    let metrics = get(&address, "/metrics").1;
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = check.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{complaints}\n{metrics}");
}

#[test]
fn garbage_and_unknown_pages_get_an_answer_and_harm_no_other_client() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    assert_eq!(get(&address, "/nothing").0, 404);
    let refused = exchange(
        &address,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(
        refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"),
        "{refused}"
    );
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(&address).unwrap();
    // It may be closed before all of it is written.
    let _ = stream.write_all(long.as_bytes());
    for _ in 0..3 {
        let answer = exchange(&address, "\x16\x03\x01 this is not HTTP\r\n\r\n");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 505 "),
            "{answer}"
        );
    }
}

/// A liveness probe has a second; one that gets no answer has the kubelet kill the jobs.
#[test]
fn held_connections_do_not_block_a_probe() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    let client = Client::connect(&wrapper.address());
    let in_time = || {
        let start = std::time::Instant::now();
        let (status, _) = get(&address, "/livez");
        // Less than the time that a silent connection has for its request.
        assert!(start.elapsed() < std::time::Duration::from_secs(8));
        status
    };
    let silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    assert_eq!(in_time(), 200);
    assert_eq!(client.state(), State::Running);
    // Asks for more than the sockets' buffers hold, and reads nothing of it.
    let many = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
    let unread: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(many.as_bytes());
            stream
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(in_time(), 200);
    }
    assert_eq!(client.state(), State::Running);
    drop((silent, unread));
}

#[test]
fn a_request_that_was_sent_is_answered_although_many_connect_at_once() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    // All of them are there when it looks.
    wrapper.signal(Signal::SIGSTOP);
    let mut streams: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(support::DEADLINE)).unwrap();
            stream.write_all(b"GET /livez HTTP/1.0\r\n\r\n").unwrap();
            stream
        })
        .collect();
    wrapper.signal(Signal::SIGCONT);
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("\r\n\r\nok\n"), "{number}: {answer:?}");
    }
}

#[test]
fn a_browser_must_call_by_a_known_name_and_monitoring_by_any() {
    let options = ["--http-listen=tcp://127.0.0.1:0", "--http-host=Ops.Example"];
    let wrapper = start_ready(&options, DRAINS);
    let address = http1::address(&wrapper);
    let answer = |version: &str, headers: &str| {
        let request = format!("GET /metrics HTTP/{version}\r\nConnection: close\r\n{headers}\r\n");
        exchange(&address, &request)
    };
    let chrome = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0\r\nAccept: */*\r\n\
        Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n";
    let evil = answer("1.1", &format!("Host: evil.example:9090\r\n{chrome}"));
    assert!(evil.starts_with("HTTP/1.1 421 "), "{evil}");
    assert!(evil.contains("--http-host NAME"), "{evil}");
    assert!(!evil.contains("process_wrapper_"), "{evil}");
    // A script sets the other headers as it likes.
    let script = "User-Agent: Prometheus/3.5.0\r\nAccept: text/plain\r\nAccept-Language: x\r\n";
    let evil = answer("1.1", &format!("Host: evil.example\r\n{script}"));
    assert!(evil.starts_with("HTTP/1.1 421 "), "{evil}");
    for host in [&*address, "localhost", "[::1]:1", "ops.example:9090"] {
        let page = answer("1.1", &format!("Host: {host}\r\n{chrome}"));
        assert!(page.starts_with("HTTP/1.1 200 "), "{host}: {page}");
    }
    // Prometheus by the DNS name of a service, a kubelet by the address of the pod, an old probe.
    for (version, headers) in [
        (
            "1.1",
            "Host: wrapper.ci.svc.cluster.local:9090\r\nUser-Agent: Prometheus/3.5.0\r\nAccept-Encoding: gzip\r\n",
        ),
        (
            "1.1",
            "Host: 10.42.0.7:9090\r\nUser-Agent: kube-probe/1.33\r\nAccept: */*\r\n",
        ),
        ("1.0", ""),
    ] {
        let page = answer(version, headers);
        assert!(page.contains(" 200 OK\r\n"), "{headers}: {page}");
    }
}

#[test]
fn a_host_name_without_effect_is_refused() {
    for (options, word) in [
        (&["--http-host=a.example"][..], "add --http-listen"),
        (
            &["--http-listen=tcp://127.0.0.1:0", "--http-host=10.0.0.1"],
            "need no entry",
        ),
        (
            &[
                "--http-listen=tcp://127.0.0.1:0",
                "--http-host=a.example:80",
            ],
            "without scheme and port",
        ),
    ] {
        let mut wrapper = support::setup(options, &["true"]).start();
        assert_eq!(wrapper.code(), 2);
        let stderr = wrapper.stderr.all();
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
}

/// The pages that clients get in about a second, each of which pipelines 100 requests.
fn pages_in_a_second(address: &str, clients: usize) -> (usize, Duration) {
    let start = Instant::now();
    let many = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut streams: Vec<_> = (0..clients)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(many.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            (stream, Vec::new())
        })
        .collect();
    let mut buffer = [0; 65536];
    while start.elapsed() < Duration::from_secs(1) {
        for (stream, read) in &mut streams {
            match stream.read(&mut buffer) {
                Ok(count) => read.extend_from_slice(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let pages = streams.iter().map(|(_, read)| {
        String::from_utf8_lossy(read)
            .matches("HTTP/1.1 200")
            .count()
    });
    (pages.sum(), start.elapsed())
}

#[test]
fn a_client_that_pipelines_gets_its_budget_of_pages() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    let (pages, time) = pages_in_a_second(&address, 1);
    // Five at once, then ten per second.
    let most = 6 + usize::try_from(time.as_millis()).unwrap() / 100;
    assert!((5..=most).contains(&pages), "{pages} of at most {most}");
}

#[test]
fn a_flood_of_scrapes_delays_neither_another_scraper_nor_a_probe() {
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let address = http1::address(&wrapper);
    // Connections that close at once, and others that stay.
    for _ in 0..500 {
        let mut stream = TcpStream::connect(&address).unwrap();
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    let (pages, _) = pages_in_a_second(&address, 20);
    // Each has its own burst, and no more than that is shared.
    assert!(pages >= 20 * 5, "{pages}");
    let start = Instant::now();
    let (status, page) = get(&address, "/metrics");
    assert_eq!(status, 200);
    assert!(page.contains("process_wrapper_process_state"), "{page}");
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(get(&address, "/livez").0, 200);
}
