//! Under systemd: the messages on a real notification socket, units that systemd accepts, and the
//! unit as shipped under a systemd that is PID 1 of a container.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

mod lives;
mod machine;
mod stops;
mod units;

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;
use support::{DRAINS, setup};

/// A service manager's end of the socket, in a folder of its own.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(support::DEADLINE)).unwrap();
        Self { folder, socket }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("notify")
    }

    /// The lines of the next datagram.
    fn next(&self) -> Vec<String> {
        let mut datagram = [0; 4096];
        let length = self.socket.recv(&mut datagram).expect("a datagram");
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// All lines up to and with one that begins so.
    fn until(&self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.extend(self.next());
            if lines.iter().any(|line| line.starts_with(start)) {
                return lines;
            }
        }
    }
}

#[test]
fn ready_comes_in_the_first_datagram_and_a_drain_over_the_api_is_no_stop() {
    let manager = Manager::new();
    let wrapper = setup(&[], &["sh", "-c", DRAINS])
        .env("NOTIFY_SOCKET", manager.path())
        .start();
    assert_eq!(manager.next(), ["READY=1", "STATUS=running"]);
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    let lines = manager.until("STATUS=gone: the process exited with code 3 (failed)");
    // systemd would arm its stop timeout at STOPPING=1 and kill the jobs.
    assert!(!lines.iter().any(|line| line == "STOPPING=1"), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("EXTEND")),
        "{lines:?}"
    );
}

#[test]
fn a_stop_is_notified_and_its_timeout_extended() {
    let manager = Manager::new();
    let script = "trap 'echo stopping' TERM; trap 'exit 0' USR1; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let mut wrapper = setup(&[], &["sh", "-c", script])
        .env("NOTIFY_SOCKET", manager.path())
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper.signal(Signal::SIGTERM);
    let lines = manager.until("STOPPING=1");
    let after = lines.iter().position(|line| line == "STOPPING=1").unwrap();
    assert!(
        lines[..after]
            .iter()
            .any(|line| line.starts_with("STATUS=shutting down for "))
    );
    assert_eq!(lines[after + 1], "EXTEND_TIMEOUT_USEC=90000000");
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.code(), 0);
}

#[test]
fn the_systemd_watchdog_is_fed() {
    let manager = Manager::new();
    let wrapper = setup(&[], &["sh", "-c", DRAINS])
        .env("NOTIFY_SOCKET", manager.path())
        .env("WATCHDOG_USEC", "100000")
        .start();
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    drop(wrapper);
}

#[test]
fn a_missing_or_blocked_service_manager_delays_nothing() {
    let gone = tempfile::tempdir().unwrap();
    let deaf = Manager::new();
    // Fill its queue, so that the next datagram would block.
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    sender.connect(deaf.path()).unwrap();
    while sender.send(b"STATUS=full").is_ok() {}
    for socket in [gone.path().join("nowhere"), deaf.path()] {
        let mut wrapper = setup(&[], &["sh", "-c", DRAINS])
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "100000")
            .start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        assert_eq!(client.shut_down().state(), State::ShuttingDown);
        client.wait_until(State::Gone, None).unwrap();
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 3);
    }
}

#[test]
fn systemd_accepts_the_unit() {
    let Some(analyze) = support::peers::find("systemd-analyze") else {
        return;
    };
    let unit = "packaging/systemd/process-wrapper-runner.service";
    let unit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(unit);
    let text = std::fs::read_to_string(unit).unwrap();
    // systemd looks for the programs as well; here they are not installed.
    let text = text.replace("/usr/local/bin/process-wrapper ", "/bin/true ");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("process-wrapper-runner.service");
    std::fs::write(&copy, text).unwrap();
    let output = Command::new(analyze)
        .arg("verify")
        .arg(&copy)
        .output()
        .unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    let ours: Vec<_> = complaints
        .lines()
        .filter(|line| line.contains("process-wrapper"))
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{complaints}");
}
