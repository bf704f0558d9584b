//! Deadlines with real clocks: the order of what they send, and clocks that jump or stand still.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, Process, State};

use crate::launched_by;
use crate::support::client::{Client, milliseconds};
use crate::support::{eventually, peers, setup, start_ready};

/// Drains for ever, and cleans up for ever when it is told to stop.
const STUBBORN: &str = "trap 'echo quit' QUIT; trap 'echo term' TERM; trap 'echo cont' CONT; echo ready; \
    while :; do sleep 0.1 >/dev/null 2>&1 & wait $!; done";

fn within(force_after: i32, kill_after: i32) -> InitiateGracefulShutdownRequest {
    InitiateGracefulShutdownRequest {
        force_after: milliseconds(force_after),
        kill_after: milliseconds(kill_after),
        ..InitiateGracefulShutdownRequest::default()
    }
}

/// From the request to the exit, as the wrapper tells it.
fn took(process: &Process) -> Duration {
    let time = |at: Option<prost_types::Timestamp>| SystemTime::try_from(at.unwrap()).unwrap();
    time(process.exited_at)
        .duration_since(time(process.shutdown_requested_at))
        .unwrap()
}

#[test]
fn the_deadlines_of_the_options_force_once_then_kill() {
    let options = ["--force-after=200ms", "--kill-after=300ms"];
    let mut wrapper = start_ready(&options, STUBBORN);
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    let gone = client.wait_until(State::Gone, None).unwrap();
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 128 + 9);
    assert!(took(&gone) >= Duration::from_millis(500), "{gone:?}");
    let printed = wrapper.stdout.all();
    for line in ["quit", "term"] {
        assert_eq!(printed.matches(line).count(), 1, "{printed}");
    }
    // Each of the two is followed by a CONT, which a stopped process needs.
    assert!(printed.contains("cont"), "{printed}");
}

#[test]
fn of_options_and_requests_the_earliest_deadline_counts() {
    for (options, request) in [
        (["--force-after=1h", "--kill-after=1h"], within(100, 100)),
        (
            ["--force-after=100ms", "--kill-after=100ms"],
            within(3_600_000, 3_600_000),
        ),
    ] {
        let mut wrapper = start_ready(&options, STUBBORN);
        let client = Client::connect(&wrapper.address());
        client.shut_down_with(request).unwrap();
        client.wait_until(State::Gone, None).unwrap();
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 128 + 9);
        assert_eq!(wrapper.stdout.all().matches("term").count(), 1);
    }
}

#[test]
fn a_forwarded_term_starts_kill_after_and_no_deadline_adds_another() {
    // The runner would leave its clean-up at a second one.
    let options = ["--force-after=50ms", "--kill-after=400ms"];
    let mut wrapper = start_ready(&options, STUBBORN);
    let client = Client::connect(&wrapper.address());
    wrapper.signal(Signal::SIGTERM);
    wrapper.stdout.wait_for("term");
    client.shut_down();
    assert_eq!(wrapper.code(), 128 + 9);
    let printed = wrapper.stdout.all();
    assert_eq!(printed.matches("term").count(), 1, "{printed}");
    assert!(!printed.contains("quit"), "{printed}");
}

#[test]
fn without_deadlines_nothing_is_ever_killed() {
    let wrapper = start_ready(&[], STUBBORN);
    let client = Client::connect(&wrapper.address());
    let asked = client.shut_down();
    assert_eq!((asked.force_at, asked.kill_at), (None, None));
    wrapper.stdout.wait_for("quit");
    let waited = client.wait_until(State::Gone, Some(Duration::from_millis(500)));
    waited.unwrap_err();
    let log = wrapper.stderr.text();
    assert_eq!(log.matches("sent SIG").count(), 1, "{log}");
}

#[test]
fn a_wrapper_stopped_across_its_deadlines_still_gives_the_process_its_time() {
    // As a machine that was suspended, or a frozen cgroup, wakes up after both have passed.
    let script = "trap '' QUIT; trap 'echo term; exit 5' TERM; echo ready; \
        while :; do sleep 0.1 >/dev/null 2>&1 & wait $!; done";
    let options = ["--force-after=200ms", "--kill-after=30s"];
    let mut wrapper = start_ready(&options, script);
    let client = Client::connect(&wrapper.address());
    let asked = client.shut_down();
    wrapper.stdout.wait_for("ready");
    wrapper.signal(Signal::SIGSTOP);
    let force_at = SystemTime::try_from(asked.force_at.unwrap()).unwrap();
    eventually("the deadline passes", || {
        std::thread::sleep(Duration::from_millis(10));
        SystemTime::now() > force_at + Duration::from_millis(500)
    });
    assert!(!wrapper.stdout.text().contains("term"));
    wrapper.signal(Signal::SIGCONT);
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_code, Some(5), "it had its time: {gone:?}");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 5);
}

/// Sets the wall clock of whatever loads it by ten years, forth or back, once the file `$JUMP`
/// holds a word.
const JUMPS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    const char *file = getenv("JUMP");
    struct stat found;
    if (clock == CLOCK_REALTIME && file && stat(file, &found) == 0)
        time->tv_sec += found.st_size == 1 ? 315360000 : -315360000;
    return result;
}
"#;

/// The library of [`JUMPS`], or nothing where there is no compiler.
fn library_that_jumps(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    peers::find("cc")?;
    let (source, library) = (folder.join("jump.c"), folder.join("jump.so"));
    std::fs::write(&source, JUMPS).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(status.success());
    Some(library)
}

#[test]
fn a_jump_of_the_wall_clock_moves_no_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = library_that_jumps(folder.path()) else {
        return;
    };
    for (size, years) in [(1, 10), (2, -10)] {
        let jump = folder.path().join(format!("jump{size}"));
        let script = "trap '' QUIT; echo ready; while :; do sleep 0.1; done";
        // The process inherits it, and does not care.
        let wrapper = setup(&["--force-after=700ms"], &["sh", "-c", script])
            .env("LD_PRELOAD", &library)
            .env("JUMP", &jump)
            .start();
        wrapper.stdout.wait_for("ready");
        let client = Client::connect(&wrapper.address());
        let begin = Instant::now();
        client.shut_down();
        std::fs::write(&jump, "x".repeat(size)).unwrap();
        let gone = client.wait_until(State::Gone, None).unwrap();
        let took = begin.elapsed();
        assert_eq!(gone.exit_signal, Some(15));
        assert!(took >= Duration::from_millis(700), "{years}: {took:?}");
        assert!(took < Duration::from_secs(20), "{years}: {took:?}");
        // It did jump, in what is told.
        let exited = gone.exited_at.unwrap().seconds - gone.shutdown_requested_at.unwrap().seconds;
        assert!((exited - years * 31_536_000).abs() < 100, "{gone:?}");
    }
}

/// How long a drain takes that a deadline ends, through a launcher.
fn forced_after(launcher: &[&str]) -> Duration {
    let script = "trap '' QUIT; echo ready; while :; do sleep 0.1; done";
    let mut setup = setup(&[], &["sh", "-c", script]);
    if !launcher.is_empty() {
        setup = setup.configure(launched_by(launcher));
    }
    let wrapper = setup.start();
    wrapper.stdout.wait_for("ready");
    let client = Client::connect(&wrapper.address());
    let begin = Instant::now();
    let asked = client
        .shut_down_with(InitiateGracefulShutdownRequest {
            force_after: Some(prost_types::Duration {
                seconds: 0,
                nanos: 300_000_000,
            }),
            ..InitiateGracefulShutdownRequest::default()
        })
        .unwrap();
    assert!(asked.force_at.is_some());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_signal, Some(15));
    begin.elapsed()
}

#[test]
fn a_deadline_does_not_depend_on_the_wall_clock() {
    assert!(forced_after(&[]) >= Duration::from_millis(300));
    if !rustix::process::geteuid().is_root() {
        peers::missing("the right to make a time namespace (root)");
        return;
    }
    // Three years of uptime more.
    let launcher = [
        "unshare",
        "--time",
        "--fork",
        "--kill-child",
        "--monotonic",
        "100000000",
        "--boottime",
        "100000000",
    ];
    assert!(forced_after(&launcher) >= Duration::from_millis(300));
}

#[test]
fn no_timer_of_the_wrapper_follows_the_wall_clock() {
    if peers::find("strace").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let calls = "--trace=timerfd_create,timer_create,clock_nanosleep,timerfd_settime";
    let launcher = ["strace", "-f", "-o", trace.to_str().unwrap(), calls];
    let options = [
        "--exit-when-gone=always",
        "--after-exit=sleep 600",
        "--after-exit-timeout=50ms",
    ];
    // `sleep` has timers of its own; the process and the command are told apart by what they
    // execute.
    let mut wrapper = setup(&options, &["true"])
        .configure(launched_by(&launcher))
        .start();
    assert_eq!(wrapper.code(), 0);
    let own = wrapper.stderr.all();
    assert!(own.contains("has run out of time"), "{own}");
    let trace = std::fs::read_to_string(trace).unwrap();
    // A jump of CLOCK_REALTIME moves only timers that are set on it.
    assert!(trace.contains("timerfd_create(CLOCK_MONOTONIC"), "{trace}");
    assert!(!trace.contains("timerfd_create(CLOCK_REALTIME"), "{trace}");
    assert!(!trace.contains("timer_create(CLOCK_REALTIME"), "{trace}");
}
