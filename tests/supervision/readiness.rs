//! `--ready-after`: a graceful signal waits until the process has its handler; abort and KILL do
//! not wait.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{
    InitiateGracefulShutdownRequest, Process, State, process::Outcome,
};

use crate::support::client::Client;
use crate::support::{DEADLINE, Wrapper, setup, setup_with};

/// Has no handler for QUIT until the file `$1` exists, so that QUIT ends it before.
const STARTS: &str = "echo started; while ! [ -e \"$1\" ]; do sleep 0.02; done; \
    trap 'echo draining; exit 0' QUIT; echo ready; while :; do sleep 0.05 & wait $!; done";

/// Never has a handler for QUIT; TERM ends it with code 5.
const NEVER_READY: &str =
    "trap 'exit 5' TERM; echo started; while :; do sleep 0.05 & wait $!; done";

const HELD: &str = "the graceful signal waits until the process is ready";

/// A wrapper around `STARTS`, with the file `go` and the socket `ready.sock` in its folder.
fn starting(options: &[&str]) -> Wrapper {
    let wrapper = setup_with(|command, folder| {
        command.arg("run").arg("--listen");
        command.arg(format!("unix:{}/control.sock", folder.display()));
        command.arg("--ready-after");
        command.arg(format!("unix:{}/ready.sock", folder.display()));
        command.args(options).args(["--", "sh", "-c", STARTS, "sh"]);
        command.arg(folder.join("go"));
    })
    .start();
    wrapper.stdout.wait_for("started");
    wrapper
}

/// Lets the process install its handler, and then answers probes.
fn become_ready(wrapper: &Wrapper) -> UnixListener {
    std::fs::write(wrapper.folder.path().join("go"), "").unwrap();
    wrapper.stdout.wait_for("ready");
    UnixListener::bind(wrapper.folder.path().join("ready.sock")).unwrap()
}

fn time(at: Option<prost_types::Timestamp>) -> SystemTime {
    SystemTime::try_from(at.unwrap()).unwrap()
}

/// From the start of the process to its first signal.
fn first_signal_after(process: &Process) -> Duration {
    let sent = time(process.signals[0].sent_at);
    sent.duration_since(time(process.started_at)).unwrap()
}

#[test]
fn a_drain_at_once_does_not_end_a_process_that_has_no_handler_yet() {
    let mut wrapper = starting(&["--ready-within=1h"]);
    let client = Client::connect(&wrapper.address());
    assert_eq!(client.shut_down().state(), State::ShuttingDown);
    wrapper.stderr.wait_for(HELD);
    assert_eq!(
        client.shut_down().signals,
        [],
        "a repeated request waits too"
    );
    let _listener = become_ready(&wrapper);
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(0), Outcome::Drained)
    );
    assert_eq!(gone.signals.len(), 1, "{gone:?}");
    wrapper.stderr.wait_for("the process is ready");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0);
    let log = wrapper.stderr.all();
    assert_eq!(log.matches(HELD).count(), 1, "{log}");
}

#[test]
fn a_stop_signal_that_drains_waits_and_still_ends_the_wrapper() {
    let mut wrapper = starting(&["--rewrite-signal=TERM:QUIT"]);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for(HELD);
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for_nth("received SIGTERM", 2);
    let _listener = become_ready(&wrapper);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all().matches("draining").count(), 1);
}

#[test]
fn a_ready_process_is_probed_no_more_and_drains_at_once() {
    let mut wrapper = starting(&[]);
    let listener = become_ready(&wrapper);
    wrapper.stderr.wait_for("the process is ready");
    let client = Client::connect(&wrapper.address());
    assert_eq!(client.shut_down().signals.len(), 1);
    assert_eq!(wrapper_code_after_term(&mut wrapper, &client), 0);
    assert!(!wrapper.stderr.all().contains(HELD));
    // The one probe that succeeded.
    listener.set_nonblocking(true).unwrap();
    listener.accept().unwrap();
    assert!(listener.accept().is_err(), "probes end once one succeeds");
}

fn wrapper_code_after_term(wrapper: &mut Wrapper, client: &Client) -> i32 {
    client.wait_until(State::Gone, None).unwrap();
    wrapper.signal(Signal::SIGTERM);
    wrapper.code()
}

#[test]
fn a_duration_holds_the_signal_since_the_start() {
    let held = Duration::from_millis(700);
    let wrapper = setup(&["--ready-after=700ms"], &["sleep", "60"]).start();
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert!(first_signal_after(&gone) >= held, "{gone:?}");
}

#[test]
fn the_wait_for_a_process_that_never_answers_is_bounded() {
    // It accepts and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--ready-after=http://{}/", listener.local_addr().unwrap());
    let wrapper = setup(&[&url, "--ready-within=700ms"], &["sleep", "60"]).start();
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_signal, Some(3), "{gone:?}");
    assert!(first_signal_after(&gone) >= Duration::from_millis(700));
}

#[test]
fn an_abort_does_not_wait_for_a_listener_that_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--ready-after=http://{}/", listener.local_addr().unwrap());
    let options = [&url, "--ready-within=1h"];
    let wrapper = setup(&options, &["sh", "-c", NEVER_READY]).start();
    wrapper.stdout.wait_for("started");
    let client = Client::connect(&wrapper.address());
    // A probe hangs from here on.
    let _probe = listener.accept().unwrap();
    client.shut_down();
    let aborted = client
        .shut_down_with(InitiateGracefulShutdownRequest {
            force_after: Some(prost_types::Duration::default()),
            ..InitiateGracefulShutdownRequest::default()
        })
        .unwrap();
    assert_eq!(
        aborted.signals.len(),
        1,
        "TERM is sent at once: {aborted:?}"
    );
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_code, gone.outcome()),
        (Some(5), Outcome::Aborted)
    );
}

#[test]
fn a_killed_process_was_not_held_back_either() {
    let options = [
        "--ready-after=1h",
        "--force-after=50ms",
        "--kill-after=50ms",
    ];
    let wrapper = setup(
        &options,
        &["sh", "-c", "trap '' TERM; echo started; sleep 60"],
    )
    .start();
    wrapper.stdout.wait_for("started");
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(
        (gone.exit_signal, gone.outcome()),
        (Some(9), Outcome::Killed)
    );
}

#[test]
fn only_a_success_of_the_url_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("--ready-after=http://{address}/health/ready?x=1");
    let wrapper = setup(&[&url, "--ready-within=1h"], &["sleep", "60"]).start();
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let mut answers = [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "",
        "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
    ]
    .into_iter();
    while let Some(answer) = answers.next() {
        let (mut probe, _) = listener.accept().unwrap();
        let request = read_head(&mut probe);
        assert!(
            request.starts_with("GET /health/ready?x=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("\r\nHost: {address}\r\n")),
            "{request}"
        );
        if answers.len() > 0 {
            assert_eq!(client.get_state().signals, [], "before {answer:?}");
        }
        probe.write_all(answer.as_bytes()).unwrap();
    }
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_signal, Some(3), "{gone:?}");
}

fn read_head(stream: &mut std::net::TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_process_that_exits_while_its_signal_waits_is_reported_at_once() {
    let options = ["--ready-after=1h", "--rewrite-signal=TERM:QUIT"];
    let began = Instant::now();
    let mut wrapper = setup(
        &options,
        &["sh", "-c", "echo started; read -r line; exit 4"],
    )
    .configure(|command| {
        command.stdin(std::process::Stdio::piped());
    })
    .start();
    wrapper.stdout.wait_for("started");
    wrapper.signal(Signal::SIGTERM);
    wrapper.stderr.wait_for(HELD);
    drop(wrapper.process.stdin.take());
    assert_eq!(wrapper.code(), 4);
    assert!(began.elapsed() < DEADLINE);
}
