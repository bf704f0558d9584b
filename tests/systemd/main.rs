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

/// `Type=notify-reload` of systemd 253: RELOADING=1 with the time of its beginning, then READY=1 in
/// a later datagram.
#[test]
fn a_hup_is_notified_as_a_reload_that_ends() {
    let manager = Manager::new();
    let script = "trap 'echo reloaded' HUP; echo ready; while :; do sleep 1 & wait $!; done";
    let wrapper = setup(&[], &["sh", "-c", script])
        .env("NOTIFY_SOCKET", manager.path())
        .env("WATCHDOG_USEC", "3600000000")
        .start();
    assert_eq!(manager.next(), ["READY=1", "STATUS=running"]);
    wrapper.stdout.wait_for("ready");
    for reload in 1..=2 {
        let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        wrapper.signal(Signal::SIGHUP);
        wrapper.stdout.wait_for_nth("reloaded", reload);
        let begun = manager.next();
        assert_eq!(begun[0], "RELOADING=1", "{begun:?}");
        let at = begun[1].strip_prefix("MONOTONIC_USEC=").unwrap();
        let at: i64 = at.parse().unwrap();
        assert!(at >= before.tv_sec * 1_000_000 + before.tv_nsec / 1_000);
        assert_eq!(manager.next(), ["READY=1", "WATCHDOG=1"]);
    }
}

/// systemd's own address for user managers and containers may be abstract.
#[test]
fn an_abstract_notification_socket_is_reached() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("process-wrapper-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager {
        folder: tempfile::tempdir().unwrap(),
        socket: UnixDatagram::bind_addr(&address).unwrap(),
    };
    manager
        .socket
        .set_read_timeout(Some(support::DEADLINE))
        .unwrap();
    let wrapper = setup(&[], &["sh", "-c", DRAINS])
        .env("NOTIFY_SOCKET", format!("@{name}"))
        .start();
    assert_eq!(manager.next(), ["READY=1", "STATUS=running"]);
    drop(wrapper);
}

/// What a wrapper writes to stderr that JOURNAL_STREAM names, or to another one.
fn journal_lines(options: &[&str], is_journal: bool) -> String {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let stat = rustix::fs::fstat(&writer).unwrap();
    let inode = stat.st_ino + u64::from(!is_journal);
    let mut wrapper = setup(options, &["true"])
        .env("JOURNAL_STREAM", format!("{}:{inode}", stat.st_dev))
        .env("PROCESS_WRAPPER_LOG_LEVLE", "debug")
        .configure(|command| {
            command.stderr(OwnedFd::from(writer));
        })
        .start();
    wrapper.wait();
    drop(wrapper);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn lines_to_the_journal_have_priorities_and_no_time() {
    const LEAVE: &str = "--exit-when-gone=always";
    let text = journal_lines(&[LEAVE], true);
    assert!(
        text.contains("<6>INFO process_wrapper: started pid="),
        "{text}"
    );
    assert!(text.contains("<4>"), "{text}");
    assert!(text.lines().all(|line| line.starts_with('<')), "{text}");
    let text = journal_lines(&[LEAVE], false);
    assert!(
        text.contains("Z INFO process_wrapper: started pid="),
        "{text}"
    );
    assert!(!text.contains("<4>"), "{text}");
    let text = journal_lines(&[LEAVE, "--log-format=json"], true);
    let line = text.lines().find(|line| line.contains("started"));
    assert!(line.unwrap().starts_with("{\"timestamp\":"), "{text}");
    let text = journal_lines(&["--lissen"], true);
    assert!(text.starts_with("<3>process-wrapper: "), "{text}");
}

/// Runs systemd-analyze about copies of the shipped units.
fn analyze(words: &[&str]) {
    let Some(analyze) = support::peers::find("systemd-analyze") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for unit in [units::SHIPPED, units::TEMPLATE] {
        // systemd looks for the programs as well; here they are not installed.
        let text = units::packaged(unit).replace("/usr/local/bin/process-wrapper ", "/bin/true ");
        let copy = folder.path().join(unit.replace('@', "@instance"));
        std::fs::write(folder.path().join(unit), &text).unwrap();
        std::fs::write(&copy, text).unwrap();
        let output = Command::new(&analyze)
            .args(words)
            .arg(&copy)
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        let complaint = printed
            .lines()
            .any(|line| words == ["verify"] && line.contains("process-wrapper"));
        assert!(output.status.success() && !complaint, "{printed}");
    }
}

#[test]
fn systemd_accepts_the_units() {
    analyze(&["verify"]);
}

/// At most 5.0 of 10: "OK" in the words of systemd-analyze.
#[test]
fn the_exposure_of_the_units_is_low() {
    analyze(&["security", "--offline=true", "--threshold=50", "--no-pager"]);
}
