//! The OOM killer of a cgroup at each stage of a process's life: who is killed, and what becomes of
//! the others.

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::State;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;

use super::cgroup::Cgroup;
use super::console::state;
use super::frozen::load;
use super::support::client::Client;
use super::support::{eventually, setup, wait_for_exit};

const MIB: u64 = 1 << 20;

/// Uses all the memory that it gets: a line without an end.
const HOG: &str = "tail /dev/zero";

/// A process that uses up the memory when it is asked to drain or when it gets USR1.
fn hog() -> String {
    format!("trap 'exec {HOG}' QUIT USR1; echo ready; while :; do sleep 0.1 & wait $!; done")
}

#[test]
fn the_oom_killer_takes_a_process_that_is_larger_and_the_wrapper_reports_it() {
    for stage in [State::Running, State::ShuttingDown] {
        let Some(cgroup) = Cgroup::memory() else {
            return;
        };
        cgroup.limit(64 * MIB);
        let after = format!("--after-exit=sh -c 'exec {HOG}'");
        let mut wrapper = cgroup
            .holds(setup(&[&after], &["sh", "-c", &hog()]))
            .start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        let outcome = match stage {
            State::ShuttingDown => {
                client.shut_down();
                Outcome::Failed
            }
            State::Unknown | State::Running | State::Gone => {
                wrapper.signal(Signal::SIGUSR1);
                Outcome::Unasked
            }
        };
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.exit_signal, Some(9), "{gone:?}");
        assert_eq!(gone.outcome(), outcome, "{gone:?}");
        // The command after the exit is killed next, and the wrapper stays.
        let line = wrapper
            .stderr
            .wait_for("the command after the exit has failed");
        assert!(line.contains("SIGKILL"), "{line}");
        assert_eq!(client.state(), State::Gone);
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 137);
        assert_eq!(cgroup.killed(), 2);
    }
}

#[test]
fn the_oom_killer_takes_a_wrapper_that_is_larger_and_the_sentinel_acts() {
    let script = "trap 'echo draining' QUIT; trap 'echo term; exit 4' TERM; echo ready; \
        while :; do sleep 0.1 >/dev/null 2>&1 & wait $!; done";
    for stage in [State::Running, State::ShuttingDown] {
        for options in [&["--on-wrapper-death=TERM"][..], &[]] {
            let Some(cgroup) = Cgroup::memory() else {
                return;
            };
            let mut wrapper = cgroup.holds(setup(options, &["sh", "-c", script])).start();
            wrapper.stdout.wait_for("ready");
            let pid = wrapper.child_pid();
            if stage == State::ShuttingDown {
                Client::connect(&wrapper.address()).shut_down();
                wrapper.stdout.wait_for("draining");
            }
            cgroup.limit_to_usage_and(MIB);
            load(&wrapper.socket());
            let status = wait_for_exit(&mut wrapper.process);
            assert_eq!(status.signal(), Some(9), "{}", wrapper.stderr.text());
            assert_eq!(cgroup.killed(), 1, "the wrapper alone");
            if options.is_empty() {
                // It runs on without the wrapper.
                assert!(state(pid).is_some_and(|state| state != 'Z'), "{stage:?}");
                let pid = nix::unistd::Pid::from_raw(pid);
                nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
            }
            wrapper.stdout.wait_for("term");
            wrapper.stdout.all();
        }
    }
}

#[test]
fn a_cgroup_that_is_killed_as_one_takes_wrapper_process_and_sentinel() {
    let Some(cgroup) = Cgroup::memory() else {
        return;
    };
    if !cgroup.has_group_kill() {
        super::support::peers::absent(
            "memory.oom.group, which needs the memory controller of cgroup v2,",
        );
        return;
    }
    cgroup.limit(64 * MIB);
    cgroup.kill_as_one();
    let mut wrapper = cgroup
        .holds(setup(&["--on-wrapper-death=TERM"], &["sh", "-c", &hog()]))
        .start();
    wrapper.stdout.wait_for("ready");
    let pid = wrapper.child_pid();
    wrapper.signal(Signal::SIGUSR1);
    assert_eq!(wrapper.wait().signal(), Some(9));
    eventually("the process is killed as well", || {
        state(pid).is_none_or(|state| state == 'Z')
    });
}

#[test]
fn a_start_under_a_cgroup_limit_works_or_is_killed_and_leaves_nothing_running() {
    let mut ran = 0;
    for limit in [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32].map(|step| step * MIB / 2) {
        let Some(cgroup) = Cgroup::memory() else {
            return;
        };
        cgroup.limit(limit);
        let setup = setup(
            &["--exit-when-gone=always"],
            &["sh", "-c", "echo ran; exit 7"],
        );
        let mut wrapper = cgroup.holds(setup).start();
        let status = wrapper.wait();
        // Both streams end, so nothing is left running.
        let started = wrapper.stdout.all() == "ran";
        let printed = wrapper.stderr.all();
        let killed = cgroup.killed() > 0;
        assert!(
            killed || (started && status.code() == Some(7)),
            "{limit}: {status} {printed}"
        );
        ran += u32::from(started && status.code() == Some(7));
    }
    assert!(ran > 0, "some limit is enough");
}
