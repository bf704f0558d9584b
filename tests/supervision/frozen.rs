//! A wrapper that stands still (SIGSTOP, a frozen cgroup) or runs out of memory (`ulimit -v`, a
//! cgroup's limit), at each stage of a process's life.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::{GetStateRequest, GetStateResponse, State};
use rustix::process::{Resource, Rlimit, prlimit};

use super::cgroup::Cgroup;
use super::console::state;
use super::support::client::{Client, GET_STATE};
use super::support::{
    DRAINS_UNTIL_TOLD, Wrapper, binary, eventually, setup, wait_for_exit, write_program,
};

/// How long the wrapper stands still; a stand-in for a minute.
const STILL: Duration = Duration::from_millis(500);

/// What makes the wrapper stand still.
enum Freezer {
    Stop,
    /// The wrapper alone, and what it starts later.
    Cgroup(Cgroup),
    /// The process as well, as `docker pause` does it.
    Pause(Cgroup),
}

impl Freezer {
    /// Freezes the wrapper, runs `meanwhile`, and thaws it.
    fn frozen(&self, wrapper: &Wrapper, meanwhile: impl FnOnce()) {
        match self {
            Self::Stop => {
                wrapper.signal(Signal::SIGSTOP);
                eventually("it stands still", || state(wrapper.pid()) == Some('T'));
            }
            Self::Cgroup(cgroup) | Self::Pause(cgroup) => cgroup.freeze(),
        }
        meanwhile();
        std::thread::sleep(STILL);
        match self {
            Self::Stop => wrapper.signal(Signal::SIGCONT),
            Self::Cgroup(cgroup) | Self::Pause(cgroup) => cgroup.thaw(),
        }
    }
}

#[test]
fn a_wrapper_frozen_at_any_stage_goes_on_where_it_was() {
    goes_on_where_it_was(&Freezer::Stop);
}

#[test]
fn a_wrapper_in_a_frozen_cgroup_goes_on_where_it_was() {
    for freezer in [Freezer::Cgroup, Freezer::Pause] {
        let Some(cgroup) = Cgroup::freezer() else {
            return;
        };
        goes_on_where_it_was(&freezer(cgroup));
    }
}

fn goes_on_where_it_was(freezer: &Freezer) {
    let folder = tempfile::tempdir().unwrap();
    let (told, after_told) = (folder.path().join("told"), folder.path().join("after"));
    let program = folder.path().join("program");
    let script = "#!/bin/sh\nuntil [ -e \"$1\" ]; do sleep 0.05; done\n";
    write_program(&program, script);
    let after = format!(
        "--after-exit={} {}",
        program.display(),
        after_told.display()
    );
    // The deadlines of the drain lie beyond the test.
    let options = [&after, "--force-after=1h"];
    let command = ["sh", "-c", DRAINS_UNTIL_TOLD, "sh", told.to_str().unwrap()];
    let setup = setup(&options, &command);
    let mut wrapper = match freezer {
        Freezer::Pause(cgroup) => cgroup.holds(setup).start(),
        Freezer::Stop | Freezer::Cgroup(_) => setup.start(),
    };
    wrapper.stdout.wait_for("ready");
    if let Freezer::Cgroup(cgroup) = freezer {
        cgroup.take(wrapper.pid());
    }
    let client = Client::connect(&wrapper.address());
    let frozen = |wrapper: &Wrapper, meanwhile: &dyn Fn()| freezer.frozen(wrapper, meanwhile);

    frozen(&wrapper, &|| {});
    assert_eq!(client.state(), State::Running);

    client.shut_down();
    frozen(&wrapper, &|| {});
    assert_eq!(client.state(), State::ShuttingDown);

    // The process exits while the wrapper cannot see it, or both do so once thawed.
    frozen(&wrapper, &|| std::fs::write(&told, "").unwrap());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.outcome(), Outcome::Drained, "{gone:?}");

    wrapper
        .stderr
        .wait_for("the command after the exit has started");
    frozen(&wrapper, &|| std::fs::write(&after_told, "").unwrap());
    wrapper
        .stderr
        .wait_for("the command after the exit has ended");

    // A stop signal that comes while it stands still counts once it continues.
    frozen(&wrapper, &|| wrapper.signal(Signal::SIGTERM));
    assert_eq!(wrapper.code(), 0, "{}", wrapper.stderr.text());
}

/// Calls that make the wrapper allocate: as many connections with a request each as it takes.
pub(crate) fn load(socket: &Path) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut connections = Vec::new();
    for _ in 0..200 {
        let Ok(mut connection) = UnixStream::connect(socket) else {
            break;
        };
        // The answer to the preface, or the end of the wrapper.
        let _ = connection.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = connection.write_all(PREFACE);
        if !connection.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
            break;
        }
        connections.push(connection);
    }
}

#[test]
fn a_wrapper_without_memory_answers_again_later_or_its_sentinel_acts() {
    for stage in [State::Running, State::ShuttingDown] {
        let script = "trap 'echo draining' QUIT; trap 'echo term; exit 4' TERM; echo ready; \
            while :; do sleep 0.1 >/dev/null 2>&1 & wait $!; done";
        let options = ["--on-wrapper-death=TERM"];
        let mut wrapper = setup(&options, &["sh", "-c", script]).start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        if stage == State::ShuttingDown {
            client.shut_down();
            wrapper.stdout.wait_for("draining");
        }
        let pid = rustix::process::Pid::from_raw(wrapper.pid());
        let none = Rlimit {
            current: Some(0),
            maximum: None,
        };
        let before = prlimit(pid, Resource::As, none).unwrap();
        load(&wrapper.socket());
        let _ = prlimit(pid, Resource::As, before);
        // Given memory again, a wrapper that survived still knows the state and still acts.
        let request = GetStateRequest::default();
        let answer = client.call::<_, GetStateResponse>(GET_STATE, request, None);
        if let Ok(answer) = answer {
            assert_eq!(answer.process.unwrap().state(), stage);
            wrapper.signal(Signal::SIGTERM);
        }
        // Stopped by us, or aborted for lack of memory: TERM reached the process either way.
        wrapper.stdout.wait_for("term");
        let status = wait_for_exit(&mut wrapper.process);
        let (code, signal) = (status.code(), status.signal());
        assert!(
            code == Some(4) || signal == Some(Signal::SIGABRT as i32),
            "{stage:?}: {status:?} {}",
            wrapper.stderr.text()
        );
        wrapper.stdout.all();
    }
}

#[test]
fn a_start_under_a_memory_limit_works_or_fails_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}/control.sock", folder.path().display());
    let mut ran = 0;
    // Kibibytes of address space, from too little for the loader to enough.
    for limit in (0..24).map(|step| 4_000 * (step + 1)) {
        let mut wrapper = Command::new("sh")
            .args(["-c", "ulimit -v \"$0\"; exec \"$@\""])
            .arg(limit.to_string())
            .arg(binary())
            .args(["run", "--exit-when-gone=always", "--listen", &listen])
            .args(["--", "sh", "-c", "echo ran; exit 7"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = wait_for_exit(&mut wrapper);
        // Both streams end, so nothing is left running.
        let output = wrapper.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        let started = output.stdout == b"ran\n";
        assert_eq!(
            started,
            status.code() == Some(7),
            "{limit}: {status} {printed}"
        );
        assert!(
            started || !printed.is_empty() || status.signal().is_some(),
            "{limit}: {status}"
        );
        ran += u32::from(started);
    }
    assert!(ran > 0, "some limit is enough");
}
