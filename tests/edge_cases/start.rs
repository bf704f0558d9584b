//! What a launcher left behind, and signals that come while the wrapper starts.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;

use crate::support::client::Client;
use crate::support::{DRAINS, Wrapper, eventually, setup};
use crate::{bit, children, launched_by, mask, sweep};

/// Waits until main's first line is behind it. Before main no code can block a signal; that is the
/// kernel's and the loader's time.
fn main_has_begun(wrapper: &Wrapper, signal: Signal) {
    eventually("main begins", || {
        let status = format!("/proc/{}/status", wrapper.pid());
        let status = std::fs::read_to_string(status).unwrap();
        (mask(&status, "SigBlk:") | mask(&status, "SigCgt:")) & bit(signal) != 0
    });
}

/// What asks the wrapper to leave, and what is only forwarded.
const SENT: [Signal; 5] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGQUIT,
];

#[test]
fn a_signal_during_the_start_is_never_lost() {
    sweep(400, |run| {
        let signal = SENT[run % SENT.len()];
        // Over three milliseconds, each moment once.
        let micros = u64::try_from(run).unwrap() * 15 / 2;
        let mut wrapper = setup(&["--exit-when-gone=always"], &["sleep", "600"]).start();
        std::thread::sleep(Duration::from_micros(micros));
        main_has_begun(&wrapper, signal);
        wrapper.signal(signal);
        assert_eq!(wrapper.code(), 128 + signal as i32, "after {micros} µs");
    });
}

#[test]
fn a_signal_between_main_and_the_running_process_is_never_lost() {
    // How long it takes from main to the process differs from machine to machine: the sweep covers
    // it.
    let begin = Instant::now();
    let wrapper = setup(&[], &["sh", "-c", "echo ready; exec sleep 600"]).start();
    main_has_begun(&wrapper, Signal::SIGTERM);
    let main = begin.elapsed();
    wrapper.stdout.wait_for("ready");
    let until_it_runs = (begin.elapsed() - main).max(Duration::from_millis(3));
    drop(wrapper);
    let early = AtomicUsize::new(0);
    sweep(400, |run| {
        let signal = SENT[run % SENT.len()];
        let mut wrapper = setup(&["--exit-when-gone=always"], &["sleep", "600"]).start();
        main_has_begun(&wrapper, signal);
        let delay = until_it_runs.mul_f64(f64::from(u32::try_from(run).unwrap()) / 300.0);
        std::thread::sleep(delay);
        // Without a child yet, no process has been started.
        let is_early = children(wrapper.pid()).is_empty();
        early.fetch_add(usize::from(is_early), Ordering::Relaxed);
        wrapper.signal(signal);
        assert_eq!(wrapper.code(), 128 + signal as i32, "after {delay:?}");
    });
    // Both sides of the spawn were met.
    let early = early.into_inner();
    assert!(
        (20..380).contains(&early),
        "{early} of 400 before the spawn"
    );
}

/// A launcher that ignores and blocks signals: `env` of GNU coreutils.
fn env_can_do_that() -> bool {
    let works = Command::new("env")
        .args(["--ignore-signal=HUP", "--block-signal=TERM", "true"])
        .status();
    if works.is_ok_and(|status| status.success()) {
        return true;
    }
    crate::support::peers::missing("env --ignore-signal");
    false
}

/// A child that shows its own masks, not a shell's, and drains.
const SHOWS: &str = "grep -E '^Sig(Blk|Ign):' /proc/self/status";

#[test]
fn with_sigchld_ignored_by_the_launcher_the_exit_is_seen() {
    if !env_can_do_that() {
        return;
    }
    let launcher = ["env", "--ignore-signal=CHLD"];
    sweep(20, |_| {
        let options = ["--exit-when-gone=always", "--after-exit=sh -c 'exit 5'"];
        let mut wrapper = setup(&options, &["sh", "-c", "exit 7"])
            .configure(launched_by(&launcher))
            .start();
        assert_eq!(wrapper.code(), 7);
        assert!(wrapper.stderr.all().contains("exited with code 5"));
    });
}

#[test]
fn with_term_blocked_by_the_launcher_it_is_still_forwarded() {
    if !env_can_do_that() {
        return;
    }
    let launcher = ["env", "--block-signal"];
    let mut wrapper = setup(&[], &["sh", "-c", "echo ready; exec sleep 600"])
        .configure(launched_by(&launcher))
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 15);
}

#[test]
fn with_int_and_quit_ignored_by_a_shell_the_trigger_still_drains() {
    if !env_can_do_that() {
        return;
    }
    // What a shell without job control does for `command &`.
    let mut wrapper = setup(&[], &["sh", "-c", DRAINS])
        .configure(launched_by(&["env", "--ignore-signal=INT,QUIT,TERM"]))
        .start();
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    assert_eq!(
        client.wait_until(State::Gone, None).unwrap().exit_code,
        Some(3)
    );
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
}

#[test]
fn inherited_signal_state_is_reset_for_the_process_except_an_ignored_hup() {
    if !env_can_do_that() {
        return;
    }
    let launcher = [
        "env",
        "--block-signal",
        "--ignore-signal=HUP,INT,QUIT,TERM,CHLD",
    ];
    let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", SHOWS])
        .configure(launched_by(&launcher))
        .start();
    assert_eq!(wrapper.code(), 0);
    let printed = wrapper.stdout.all();
    // The standard signals; real-time ones the C library keeps from `env` itself.
    let standard = 0x7fff_ffff;
    assert_eq!(mask(&printed, "SigBlk:") & standard, 0, "{printed}");
    assert_eq!(
        mask(&printed, "SigIgn:") & standard,
        bit(Signal::SIGHUP),
        "{printed}"
    );
}

#[test]
fn hup_ignored_at_the_start_is_neither_forwarded_nor_deadly() {
    if !env_can_do_that() {
        return;
    }
    let script = "trap 'echo usr1' USR1; echo ready; while :; do sleep 1 & wait $!; done";
    let mut wrapper = setup(&[], &["sh", "-c", script])
        .configure(launched_by(&["env", "--ignore-signal=HUP"]))
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper.signal(Signal::SIGHUP);
    wrapper.signal(Signal::SIGUSR1);
    wrapper.stdout.wait_for("usr1");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 15);
    let log = wrapper.stderr.all();
    assert!(log.contains("sent SIGUSR1 to the process"), "{log}");
    assert!(!log.contains("SIGHUP"), "{log}");
}
