//! Real seccomp filters, as a container runtime sets them: the wrapper needs what they forbid, or
//! works without it.

use std::process::Command;
use std::time::Duration;

use nix::libc::{self, ENOSYS, EPERM, c_long};
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};

use super::support::client::Client;
use super::support::{DEADLINE, Setup, peers, setup};

/// Executes a command under a filter.
const LAUNCHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/seccomp.py");

/// A wrapper under a filter which refuses the system calls with this errno; `None`, loudly, where
/// none can be set.
fn filtered(calls: &[c_long], errno: i32, options: &[&str], command: &[&str]) -> Option<Setup> {
    let python = peers::find("python3")?;
    let filter = |calls: &[c_long]| {
        let pairs: Vec<_> = calls.iter().map(|call| format!("{call}:{errno}")).collect();
        let mut launcher = Command::new(&python);
        launcher.arg(LAUNCHER).arg(pairs.join(","));
        launcher
    };
    let settable = filter(&[]).arg("/bin/true").output().unwrap();
    if !settable.status.success() {
        peers::missing(&String::from_utf8_lossy(&settable.stderr));
        return None;
    }
    let started = setup(options, command).replace(|wrapper| {
        let mut launcher = filter(calls);
        launcher.arg(wrapper.get_program()).args(wrapper.get_args());
        launcher.env_remove("PROCESS_WRAPPER_ADDRESS");
        launcher
    });
    Some(started)
}

#[test]
fn a_filter_that_forbids_what_the_wrapper_needs_ends_the_start_with_a_line() {
    for (call, errno, words) in [
        (libc::SYS_pidfd_open, EPERM, "pidfd_open failed"),
        (libc::SYS_pidfd_open, ENOSYS, "pidfd_open failed"),
        (
            libc::SYS_pidfd_send_signal,
            EPERM,
            "pidfd_send_signal failed",
        ),
        (
            libc::SYS_pidfd_send_signal,
            ENOSYS,
            "pidfd_send_signal failed",
        ),
        (libc::SYS_epoll_create1, EPERM, "the event loop"),
        (libc::SYS_epoll_ctl, EPERM, "the event loop"),
        (libc::SYS_eventfd2, ENOSYS, "the event loop"),
        (libc::SYS_epoll_pwait, EPERM, "epoll_pwait"),
        (libc::SYS_timerfd_settime, EPERM, "timerfd_settime"),
        (libc::SYS_socketpair, EPERM, "signal handlers"),
        #[cfg(target_env = "gnu")] // musl starts threads with clone(2).
        (libc::SYS_clone3, EPERM, "clone3"),
    ] {
        let Some(setup) = filtered(&[call], errno, &[], &["sh", "-c", "echo ran"]) else {
            return;
        };
        let mut wrapper = setup.start();
        let code = wrapper.code();
        let printed = wrapper.stderr.all();
        assert_eq!(code, 1, "{call} {errno}: {printed}");
        assert_eq!(printed.lines().count(), 1, "{call} {errno}: {printed}");
        for word in ["process-wrapper: ", "seccomp", words] {
            assert!(printed.contains(word), "{call} {errno}: {printed}");
        }
        assert_eq!(wrapper.stdout.all(), "", "{call} {errno}");
        assert!(!wrapper.socket().exists(), "{call} {errno}");
    }
}

#[test]
fn a_filter_that_forbids_what_the_wrapper_can_do_without_changes_nothing() {
    let calls = [
        libc::SYS_timerfd_create,
        libc::SYS_renameat2,
        libc::SYS_statx,
        libc::SYS_getrandom,
        libc::SYS_pwritev2,
        libc::SYS_sched_getaffinity,
        libc::SYS_waitid,
        libc::SYS_epoll_pwait2,
        libc::SYS_close_range,
    ];
    let script = "trap 'echo draining' QUIT; trap 'exit 5' TERM; echo ready; \
        while :; do sleep 0.1 & wait $!; done";
    let options = ["--on-wrapper-death=KILL", "--after-exit=/bin/true"];
    let command = ["sh", "-c", script];
    let Some(setup) = filtered(&calls, ENOSYS, &options, &command) else {
        return;
    };
    let mut wrapper = setup.start();
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    // A deadline needs a timer.
    let request = InitiateGracefulShutdownRequest {
        force_after: Some(Duration::from_secs(1).try_into().unwrap()),
        ..Default::default()
    };
    client.shut_down_with(request).unwrap();
    wrapper.stdout.wait_for("draining");
    let gone = client.wait_until(State::Gone, Some(DEADLINE)).unwrap();
    assert_eq!(gone.exit_code, Some(5));
    wrapper
        .stderr
        .wait_for("the command after the exit has ended");
    wrapper.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(wrapper.code(), 5);
    let printed = wrapper.stderr.all();
    for word in ["ERROR", "WARN"] {
        assert!(!printed.contains(word), "{printed}");
    }
    assert!(!wrapper.socket().exists());
}
