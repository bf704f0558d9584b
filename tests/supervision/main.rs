//! The wrapped process behaves as it would alone: exit codes, arguments, environment, signals, and
//! when the wrapper leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod after_exit;
mod cgroup;
mod console;
mod forceful;
mod frozen;
mod held;
mod oom;
mod readiness;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use support::client::Client;
use support::{DRAINS, setup, start_ready};

#[test]
fn every_exit_code_is_passed_on() {
    for code in [0, 1, 2, 7, 125, 126, 127, 128, 200, 255] {
        let script = format!("exit {code}");
        let mut wrapper = setup(&["--exit-when-gone", "always"], &["sh", "-c", &script]).start();
        assert_eq!(wrapper.code(), code);
    }
}

#[test]
fn a_fatal_signal_becomes_128_plus_its_number() {
    for (name, number) in [
        ("KILL", 9),
        ("TERM", 15),
        ("SEGV", 11),
        ("USR1", 10),
        ("HUP", 1),
    ] {
        let script = format!("kill -{name} $$");
        let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", &script]).start();
        assert_eq!(wrapper.code(), 128 + number, "{name}");
    }
}

#[test]
fn arguments_reach_the_process_bytes_and_all() {
    let odd = OsStr::from_bytes(b"\xff\xfe =--");
    let script = "printf '%s|' \"$@\" | od -An -tx1";
    let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", script, "sh"])
        .configure(|command| {
            command.arg(odd).args(["--", "--listen=x", ""]);
        })
        .start();
    assert_eq!(wrapper.code(), 0);
    let expected: Vec<_> = b"\xff\xfe =--|--|--listen=x||"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let printed = wrapper.stdout.all();
    assert_eq!(printed.split_whitespace().collect::<Vec<_>>(), expected);
}

#[test]
fn the_environment_is_passed_on_less_what_was_meant_for_the_wrapper() {
    let mut wrapper = setup(&["--exit-when-gone=always"], &["env"])
        .env("NOTIFY_SOCKET", "/x")
        .env("WATCHDOG_USEC", "1")
        .env("LISTEN_FDS", "1")
        .env("LISTEN_ADDRESS", "kept")
        .env("PROCESS_WRAPPER_ADDRESS", "unix:/nowhere")
        .env("ODD", OsStr::from_bytes(b"\xff"))
        .start();
    assert_eq!(wrapper.code(), 0);
    let environment = wrapper.stdout.all();
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
        "PROCESS_WRAPPER_",
    ] {
        assert!(!environment.contains(name), "{name}");
    }
    assert!(environment.contains("LISTEN_ADDRESS=kept") && environment.contains("ODD="));
}

#[test]
fn the_process_leads_a_group_of_its_own_with_an_empty_mask_and_default_dispositions() {
    // Programs that look at themselves: a shell blocks signals for moments of its own.
    let files = ["/proc/self/stat", "/proc/self/status"];
    let mut wrapper = setup(&["--exit-when-gone=always"], &["cat", files[0], files[1]]).start();
    assert_eq!(wrapper.code(), 0);
    let printed = wrapper.stdout.all();
    let words: Vec<_> = printed.split_whitespace().collect();
    // The process id and the process group, proc_pid_stat(5).
    assert_eq!(words[0], words[4], "{printed}");
    for name in ["SigBlk:", "SigIgn:"] {
        let mask = printed.split(name).nth(1).unwrap();
        let mask = mask.split_whitespace().next().unwrap();
        // The standard signals; a launcher may leave real-time ones as it likes.
        let mask = u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff;
        assert_eq!(mask, 0, "{printed}");
    }
}

#[test]
fn no_descriptor_of_the_wrapper_leaks_into_the_process() {
    let command = ["ls", "/proc/self/fd"];
    let mut wrapper = setup(&["--exit-when-gone=always"], &command).start();
    assert_eq!(wrapper.code(), 0);
    let alone = std::process::Command::new(command[0])
        .arg(command[1])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    assert_eq!(wrapper.stdout.all().trim(), alone.trim());
}

#[test]
fn standard_input_is_the_processes_own() {
    use std::io::Write;
    let mut wrapper = setup(&["--exit-when-gone=always"], &["cat"])
        .configure(|command| {
            command.stdin(std::process::Stdio::piped());
        })
        .start();
    let mut stdin = wrapper.process.stdin.take().unwrap();
    stdin.write_all(b"through\n").unwrap();
    drop(stdin);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all(), "through");
}

#[test]
fn a_stop_signal_is_forwarded_and_the_wrapper_exits_with_the_process_code() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script =
            format!("trap 'exit 5' {name}; echo ready; while :; do sleep 1 & wait $!; done");
        let mut wrapper = start_ready(&[], &script);
        wrapper.signal(signal);
        assert_eq!(wrapper.code(), 5, "{signal}");
    }
}

#[test]
fn later_stop_signals_are_forwarded_again_and_the_wrapper_outlives_the_process() {
    let script = "trap 'n=x$n; echo got; [ \"$n\" = xxx ] && exit 6' TERM; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let mut wrapper = start_ready(&[], script);
    for nth in 1..=3 {
        wrapper.signal(Signal::SIGTERM);
        wrapper.stdout.wait_for_nth("got", nth);
    }
    assert_eq!(wrapper.code(), 6);
}

#[test]
fn other_signals_are_forwarded_and_change_nothing() {
    let script = "trap 'echo reload' HUP; trap 'echo one' USR1; trap 'echo two' USR2; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let wrapper = start_ready(&[], script);
    let client = Client::connect(&wrapper.address());
    for (signal, word) in [
        (Signal::SIGHUP, "reload"),
        (Signal::SIGUSR1, "one"),
        (Signal::SIGUSR2, "two"),
    ] {
        wrapper.signal(signal);
        wrapper.stdout.wait_for(word);
    }
    assert_eq!(client.state(), State::Running);
}

#[test]
fn a_forwarded_quit_moves_the_state_and_marks_the_exit_as_requested() {
    let script = "trap 'echo draining' QUIT; trap 'exit 0' USR1; echo ready; \
        while :; do sleep 1 & wait $!; done";
    let mut wrapper = start_ready(&[], script);
    let client = Client::connect(&wrapper.address());
    wrapper.signal(Signal::SIGQUIT);
    wrapper.stdout.wait_for("draining");
    assert_eq!(client.state(), State::ShuttingDown);
    // The drain was requested already: no second signal.
    assert_eq!(client.shut_down().state(), State::ShuttingDown);
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all().matches("draining").count(), 1);
}

#[test]
fn a_rewritten_stop_signal_drains_and_still_ends_the_wrapper() {
    let mut wrapper = start_ready(&["--rewrite-signal", "TERM:QUIT"], DRAINS);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
    assert!(wrapper.stdout.all().contains("draining"));
}

#[test]
fn exit_when_gone_unrequested_leaves_after_a_crash_and_stays_after_a_drain() {
    let options = ["--exit-when-gone", "unrequested"];
    let mut wrapper = setup(&options, &["sh", "-c", "exit 9"]).start();
    assert_eq!(wrapper.code(), 9);

    let mut wrapper = start_ready(&options, DRAINS);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_code, Some(3));
    assert_eq!(client.state(), State::Gone);
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
}

#[test]
fn waiters_are_answered_before_the_wrapper_leaves_by_itself() {
    let mut wrapper = start_ready(&["--exit-when-gone=always"], DRAINS);
    let client = Client::connect(&wrapper.address());
    let gone = client.run(|channel| async move {
        let request = process_wrapper::pb::process_wrapper::v1::GetStateRequest {
            wait_until: State::Gone.into(),
        };
        let waiting = support::client::unary::<
            _,
            process_wrapper::pb::process_wrapper::v1::GetStateResponse,
        >(channel.clone(), support::client::GET_STATE, request, None);
        let request =
            process_wrapper::pb::process_wrapper::v1::InitiateGracefulShutdownRequest::default();
        let asking = support::client::unary::<
            _,
            process_wrapper::pb::process_wrapper::v1::InitiateGracefulShutdownResponse,
        >(channel, support::client::SHUTDOWN, request, None);
        let (waited, asked) = tokio::join!(waiting, asking);
        asked.unwrap();
        waited.unwrap().process.unwrap()
    });
    assert_eq!((gone.state(), gone.exit_code), (State::Gone, Some(3)));
    assert_eq!(wrapper.code(), 3);
}

#[test]
fn no_command_means_gitlab_runner_run() {
    let folder = tempfile::tempdir().unwrap();
    let runner = folder.path().join("gitlab-runner");
    support::write_program(&runner, "#!/bin/sh\necho \"runner $*\"\n");
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut wrapper = setup(&["--exit-when-gone=always"], &[])
        .env("PATH", path)
        .start();
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all(), "runner run");
}
