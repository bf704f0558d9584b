//! Processes whose parent has died before them.

use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::after_exit::Phase;

use crate::support::client::Client;
use crate::support::{Wrapper, eventually, setup};
use crate::{children, launched_by, may_unshare, sweep};

/// A hundred orphans that end before and after the main process, which ends with 7. Some are killed
/// by a real-time signal, which has no name.
const ORPHANS: &str = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); \
    (true &); (sleep 0.0$i &); (sh -c 'sleep 0.01; kill -40 $$' &); (sh -c 'kill -9 $$' &); \
    (sh -c 'sleep 0.1; exit 3' &); done; exit 7";

/// Waits until the wrapper, whose process id is given, has no child at all.
fn all_are_reaped(wrapper: i32) {
    eventually("all orphans are reaped", || children(wrapper).is_empty());
}

fn expect_7(wrapper: &Wrapper) -> Client {
    let client = Client::connect(&wrapper.address());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!((gone.exit_code, gone.exit_signal), (Some(7), None));
    client
}

#[test]
fn a_hundred_orphans_are_reaped_by_a_subreaper() {
    let mut wrapper = setup(&[], &["sh", "-c", ORPHANS]).start();
    let _client = expect_7(&wrapper);
    all_are_reaped(wrapper.pid());
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 7);
}

#[test]
fn a_hundred_orphans_are_reaped_by_pid_1() {
    if !may_unshare() {
        return;
    }
    let launcher = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut wrapper = setup(&[], &["sh", "-c", ORPHANS])
        .configure(launched_by(&launcher))
        .start();
    let _client = expect_7(&wrapper);
    let init = children(wrapper.pid())[0].0;
    all_are_reaped(init);
    nix::sys::signal::kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    assert_eq!(wrapper.code(), 7);
}

#[test]
fn more_orphans_than_are_reaped_at_once_are_all_reaped() {
    // They all end while the wrapper is stopped, so one SIGCHLD stands for all of them.
    let script = "echo ready; read -r _; i=0; while [ $i -lt 600 ]; do i=$((i+1)); (true &); done; \
        echo all; read -r _";
    let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", script])
        .configure(|command| {
            command.stdin(Stdio::piped());
        })
        .start();
    wrapper.stdout.wait_for("ready");
    let mut stdin = wrapper.process.stdin.take().unwrap();
    wrapper.signal(Signal::SIGSTOP);
    stdin.write_all(b"\n").unwrap();
    wrapper.stdout.wait_for("all");
    eventually("all have come to the wrapper", || {
        children(wrapper.pid()).len() == 601
    });
    wrapper.signal(Signal::SIGCONT);
    eventually("all orphans are reaped", || {
        children(wrapper.pid()).len() == 1
    });
    drop(stdin);
    assert_eq!(wrapper.code(), 1);
}

#[test]
fn orphans_behind_a_main_process_killed_by_a_real_time_signal_are_reaped() {
    let script = "(sleep 0.01 &); (sh -c 'kill -41 $$' &); (true &); kill -40 $$; sleep 600";
    let mut wrapper = setup(&[], &["sh", "-c", script]).start();
    let client = Client::connect(&wrapper.address());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_signal, Some(40));
    all_are_reaped(wrapper.pid());
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 40);
}

#[test]
fn no_status_is_lost_among_orphans() {
    // Orphans end at the same time as the main process and as the command after it.
    let script = "(true &); (true &); (true &); exit 7";
    let command = "sh -c '(true &); (true &); (true &); exit 5'";
    sweep(200, |_| {
        let wrapper = setup(&["--after-exit", command], &["sh", "-c", script]).start();
        let client = expect_7(&wrapper);
        let mut after_exit = None;
        eventually("the command after the exit ends", || {
            after_exit = client.get_state().after_exit;
            after_exit.as_ref().unwrap().phase() == Phase::Ended
        });
        assert_eq!(after_exit.unwrap().exit_code, Some(5));
    });
}

#[test]
fn a_wrapper_with_many_dying_orphans_still_answers() {
    // Orphans without end: reaping them must leave time for everything else.
    let script = "echo ready; while :; do (true &); (true &); (true &); done";
    let mut wrapper = crate::support::start_ready(&[], script);
    let client = Client::connect(&wrapper.address());
    for _ in 0..200 {
        assert_eq!(client.state(), State::Running);
    }
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 15);
}
