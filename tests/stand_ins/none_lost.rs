//! Sweeps the pair of signals that a Go program drops: a forceful one right after the graceful one.
//!
//! Each round starts a runner that receives nothing for some milliseconds after its first signal.
//! Version 0.1 sent both signals in the same millisecond and lost the second one in 8 of 20 rounds,
//! and the jobs ran on.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use process_wrapper::pb::gitlab_com::gitlab_runner::runner_wrapper as gitlab;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{Process, SentSignal, State};

use crate::support::client::Client;
use crate::support::{self, Lines, Wrapper, sweep_by};
use crate::{force_after, received, runner, signals, start_around};

const ROUNDS: usize = 200;

/// Longer than any schedule of the wrapper that does not wait on purpose.
const DEAF: &str = "-deaf=30ms";

const GRACEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown";
const FORCEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitForcefulShutdown";

fn sent_at(signal: &SentSignal) -> SystemTime {
    SystemTime::try_from(signal.sent_at.unwrap()).unwrap()
}

/// Asserts that the runner got each signal, aborted its jobs and cleaned up.
fn assert_aborted(wrapper: &mut Wrapper, gone: &Process, sent: &[(&str, Cause)]) {
    assert_eq!(signals(gone), sent, "{gone:?}");
    assert_eq!(gone.outcome(), Outcome::Aborted, "{gone:?}");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0, "{}", wrapper.stdout.all());
    let printed = wrapper.stdout.all();
    assert!(printed.ends_with("2 jobs failed"), "{printed}");
    let names = sent.iter().map(|(name, _)| match *name {
        "SIGQUIT" => "received quit",
        "SIGTERM" => "received terminated",
        other => panic!("{other} was sent"),
    });
    assert_eq!(received(wrapper), names.collect::<Vec<_>>(), "{printed}");
    if let [first, second] = &gone.signals[..] {
        let apart = sent_at(second).duration_since(sent_at(first)).unwrap();
        assert!(apart >= Duration::from_millis(250), "{apart:?}");
    }
}

/// The fault itself, without a wrapper: this test fails if the stand-in stops losing signals.
#[test]
fn the_stand_in_drops_a_signal_that_comes_too_early() {
    let Some(runner) = runner() else { return };
    let mut process = std::process::Command::new(runner)
        .arg("-deaf=2s")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = Lines::read(process.stdout.take().unwrap());
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
    printed.wait_for("ready");
    kill(pid, Signal::SIGQUIT).unwrap();
    printed.wait_for("received quit");
    kill(pid, Signal::SIGTERM).unwrap();
    printed.wait_for("receiving again");
    // The jobs end, and no abort has come before.
    kill(pid, Signal::SIGUSR1).unwrap();
    assert_eq!(support::wait_for_exit(&mut process).code(), Some(0));
    assert!(!printed.all().contains("received terminated"));
}

#[test]
fn force_after_0_from_running_sends_term_alone() {
    let Some(runner) = runner() else { return };
    sweep_by(8, ROUNDS, |_| {
        let mut wrapper = start_around(&[], &[runner], &[DEAF]);
        let client = Client::connect(&wrapper.address());
        client.shut_down_with(force_after(0)).unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_aborted(&mut wrapper, &gone, &[("SIGTERM", Cause::Request)]);
    });
}

#[test]
fn gitlabs_forceful_shutdown_right_after_the_graceful_one_arrives() {
    let Some(runner) = runner() else { return };
    sweep_by(8, ROUNDS, |_| {
        let mut wrapper = start_around(&[], &[runner], &[DEAF]);
        let client = Client::connect(&wrapper.address());
        let request = gitlab::InitGracefulShutdownRequest::default();
        let answer: gitlab::InitGracefulShutdownResponse =
            client.call(GRACEFUL, request, None).unwrap();
        assert_eq!(answer.status(), gitlab::Status::InShutdown);
        let request = gitlab::InitForcefulShutdownRequest {};
        let _: gitlab::InitForcefulShutdownResponse = client.call(FORCEFUL, request, None).unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        let sent = [("SIGQUIT", Cause::Request), ("SIGTERM", Cause::Request)];
        assert_aborted(&mut wrapper, &gone, &sent);
    });
}

#[test]
fn a_short_force_after_arrives() {
    let Some(runner) = runner() else { return };
    sweep_by(8, ROUNDS, |round| {
        let deadline = format!("--force-after={}ms", 1 + round % 40);
        let mut wrapper = start_around(&[&deadline], &[runner], &[DEAF]);
        let client = Client::connect(&wrapper.address());
        client.shut_down();
        let gone = client.wait_until(State::Gone, None).unwrap();
        let sent = [("SIGQUIT", Cause::Request), ("SIGTERM", Cause::Deadline)];
        assert_aborted(&mut wrapper, &gone, &sent);
    });
}
