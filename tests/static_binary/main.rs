//! The static binary, alone in an empty root and as PID 1, as in a scratch container.
//!
//! PROCESS_WRAPPER_STATIC_BINARY names the binary; docs/operations.md says how it is built.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;

/// A directory with nothing but the static binary; `None` after a SKIPPED line without one, and
/// without the right to make it a root.
fn root_with_the_binary() -> Option<tempfile::TempDir> {
    let Some(binary) = std::env::var_os("PROCESS_WRAPPER_STATIC_BINARY") else {
        support::peers::missing("PROCESS_WRAPPER_STATIC_BINARY, the path of a static build,");
        return None;
    };
    if !rustix::process::geteuid().is_root() {
        support::peers::missing("the right to change the root (root)");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    support::copy_program(Path::new(&binary), &root.path().join("process-wrapper"));
    Some(root)
}

#[test]
fn the_static_binary_supervises_as_pid_1_in_an_empty_root() {
    let Some(root) = root_with_the_binary() else {
        return;
    };
    // The only program in that root is the wrapper itself, so it wraps itself: the inner one stays
    // until it is told to stop, and then leaves with the code of its own child.
    let mut unshare = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "chroot"])
        .arg(root.path())
        .args([
            "/process-wrapper",
            "run",
            "--listen",
            "unix:/control.sock",
            "--",
        ])
        .args([
            "/process-wrapper",
            "run",
            "--listen",
            "unix:/inner.sock",
            "--",
        ])
        .args(["/process-wrapper", "--version"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = support::Lines::read(unshare.stdout.take().unwrap());
    let stderr = support::Lines::read(unshare.stderr.take().unwrap());
    stdout.wait_for("process-wrapper ");
    let client = Client::connect(&format!(
        "unix:{}",
        root.path().join("control.sock").display()
    ));
    let running = client.get_state();
    assert_eq!(running.state(), State::Running);
    // In its namespace the wrapper is 1, so its child comes soon after.
    assert!(running.pid > 1 && running.pid < 20, "{running:?}");

    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!((gone.exit_code, gone.exit_signal), (Some(0), None));
    assert_eq!(client.state(), State::Gone, "the wrapper stays");

    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    let children = std::fs::read_to_string(children).unwrap();
    kill(
        Pid::from_raw(children.trim().parse().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = support::wait_for_exit(&mut unshare);
    assert_eq!(status.code(), Some(0), "{}", stderr.all());
    assert!(!root.path().join("control.sock").exists());
}

#[test]
fn without_a_default_socket_the_error_names_the_option() {
    let Some(root) = root_with_the_binary() else {
        return;
    };
    let output = Command::new("chroot")
        .arg(root.path())
        .args([
            "/process-wrapper",
            "run",
            "--",
            "/process-wrapper",
            "--version",
        ])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--listen"), "{stderr}");
    assert!(output.stdout.is_empty(), "something was started");
}

/// Rust's runtime aborts there; docs/supervision.md says so, because no line can.
#[test]
fn a_closed_stream_in_a_root_without_dev_null_aborts_before_main() {
    let Some(root) = root_with_the_binary() else {
        return;
    };
    let run = |streams: &str| {
        Command::new("sh")
            .arg("-c")
            .arg(format!(
                "exec chroot \"$0\" /process-wrapper --version {streams}"
            ))
            .arg(root.path())
            .output()
            .unwrap()
    };
    assert_eq!(run("").status.code(), Some(0));
    let closed = run("<&-");
    assert_eq!(closed.status.signal(), Some(6), "{closed:?}");
    assert!(closed.stderr.is_empty(), "{closed:?}");
    std::fs::create_dir(root.path().join("dev")).unwrap();
    std::fs::write(root.path().join("dev/null"), "").unwrap();
    assert_eq!(run("<&-").status.code(), Some(0));
}

#[cfg(feature = "webhooks")]
#[test]
fn webhooks_work_in_an_empty_root_with_bundled_authorities() {
    use std::io::{Read, Write};

    let Some(root) = root_with_the_binary() else {
        return;
    };
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    let mut chroot = Command::new("chroot")
        .arg(root.path())
        .args(["/process-wrapper", "run", "--listen", "unix:/control.sock"])
        .args(["--log-level", "debug", "--exit-when-gone", "always"])
        .args([
            "--webhook",
            &format!("http://localhost:{}/", address.port()),
        ])
        // No server answers there; the test is about the trusted authorities.
        .args([
            "--webhook",
            &format!("https://{silent_address}/"),
            "--webhook-deadline",
            "1s",
        ])
        .args(["--", "/process-wrapper", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = support::Lines::read(chroot.stderr.take().unwrap());
    let (mut socket, _) = receiver.accept().unwrap();
    let mut head = [0; 6];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"POST /");
    socket
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let status = support::wait_for_exit(&mut chroot);
    let log = stderr.all();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("webhook delivered"), "{log}");
    assert!(
        log.contains("using bundled certificate authorities"),
        "{log}"
    );
}
