//! The cost of an attack, measured by a healthy client and by the kernel.

#![allow(unreachable_pub, reason = "shared within its test binary")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};
use crate::support::{self, DRAINS, Wrapper};

/// The duration of an attack without an end of its own.
pub const LONG: Duration = Duration::from_millis(700);

/// How late the timer may be. Without a read budget it is seconds; an unoptimised build on a
/// machine with other things to do stays below.
const LATE: Duration = Duration::from_secs(1);

/// The timer whose lateness is measured.
const TIMER: Duration = Duration::from_millis(50);

/// One attack at a time, or each would be measured with the others'.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A wrapper under attack.
pub struct Target {
    pub wrapper: Wrapper,
    before: u64,
    peak_before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Target {
    pub fn start() -> Self {
        Self::with_options(&[])
    }

    /// With these options of `run`.
    pub fn with_options(options: &[&str]) -> Self {
        let alone = alone();
        Self::of(alone, support::setup(options, &["sh", "-c", DRAINS, "sh"]))
    }

    /// With so many descriptors.
    pub fn with_descriptors(most: u64) -> Self {
        let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        Self::launched(&script, support::binary())
    }

    /// Another build of the wrapper.
    pub fn of_build(binary: &Path) -> Self {
        Self::launched("exec \"$0\" \"$@\"", binary)
    }

    fn launched(script: &str, binary: &Path) -> Self {
        let alone = alone();
        let setup = support::setup_with(|command, folder| {
            *command = std::process::Command::new("sh");
            command.arg("-c").arg(script).arg(binary);
            command.env_remove("PROCESS_WRAPPER_ADDRESS");
            let socket = folder.join("control.sock");
            command.arg("run").arg("--listen");
            command.arg(format!("unix:{}", socket.display()));
            command.args(["--", "sh", "-c", DRAINS]);
        });
        Self::of(alone, setup)
    }

    fn of(alone: MutexGuard<'static, ()>, setup: support::Setup) -> Self {
        let wrapper = setup.start();
        wrapper.stdout.wait_for("ready");
        // One-time allocations for any client are not part of the attack's cost.
        let mut client = Peer::connect(&wrapper);
        for _ in 0..100 {
            let answer = client.call(&Head::of(GET_STATE), &message(b""));
            assert_eq!(answer.code(), Some(0));
        }
        let before = support::memory(wrapper.pid());
        let peak_before = peak(wrapper.pid());
        Self {
            wrapper,
            before,
            peak_before,
            _alone: alone,
        }
    }

    /// Memory now, beyond that before the attack.
    pub fn grown(&self) -> u64 {
        support::memory(self.wrapper.pid()).saturating_sub(self.before)
    }

    /// Runs the attack beside a healthy client and asserts what it cost: at most so many bytes.
    pub fn survives(&self, name: &str, most: u64, attack: impl FnOnce(&Wrapper)) {
        let probe = Probe::start(&self.wrapper);
        attack(&self.wrapper);
        let seen = probe.stop();
        let peak = peak(self.wrapper.pid()).saturating_sub(self.peak_before);
        println!(
            "| {name} | {} KiB | {:.1} ms | {} calls, slowest {:.1} ms |",
            peak / 1024,
            seen.late.as_secs_f64() * 1e3,
            seen.calls,
            seen.slowest.as_secs_f64() * 1e3,
        );
        assert!(peak <= most, "{name}: {peak} bytes of memory");
        assert!(seen.late_alone <= LATE, "{name}: {seen:?}");
        assert!(seen.calls > 0, "{name}: no call was answered");
        // A new connection is answered as well.
        let mut late = Peer::connect(&self.wrapper);
        let answer = late.call(&Head::of(GET_STATE), &message(b""));
        assert_eq!(answer.code(), Some(0), "{name}");
        let child = self.wrapper.child_pid();
        assert!(
            std::fs::exists(format!("/proc/{child}")).unwrap(),
            "{name}: the process is gone"
        );
    }
}

/// How many descriptors the wrapper has open.
pub fn descriptors(wrapper: &Wrapper) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", wrapper.pid()))
        .unwrap()
        .count()
}

/// The highest memory so far (`VmHWM` of `proc_pid_status(5)`).
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1024
}

/// A healthy client in a thread of its own.
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<IoStats>,
}

/// The measurements.
#[derive(Debug, Default)]
pub struct IoStats {
    /// The most that the timer was late.
    pub late: Duration,
    /// The same, had the machine nothing else to do.
    pub late_alone: Duration,
    pub calls: u32,
    /// The longest latency of a call that does not wait.
    pub slowest: Duration,
}

impl Probe {
    pub fn start(wrapper: &Wrapper) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let mut peer = Peer::connect(wrapper);
        let pid = wrapper.pid();
        let thread = std::thread::spawn(move || {
            let mut seen = IoStats::default();
            let timed = Head::of(GET_STATE).with("grpc-timeout", "50m");
            while !flag.load(Ordering::Relaxed) || seen.calls == 0 {
                let watch = Stopwatch::start(pid);
                let answer = peer.call(&timed, &until_gone());
                assert_eq!(answer.code(), Some(4));
                let late = watch.begun.elapsed().saturating_sub(TIMER);
                seen.late = seen.late.max(late);
                seen.late_alone = seen.late_alone.max(watch.passed().saturating_sub(TIMER));
                let begun = Instant::now();
                let answer = peer.call(&Head::of(GET_STATE), &message(b""));
                assert_eq!(answer.code(), Some(0));
                seen.slowest = seen.slowest.max(begun.elapsed());
                seen.calls += 2;
            }
            seen
        });
        Self { stop, thread }
    }

    pub fn stop(self) -> IoStats {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Time that passed, less what the wrapper or this thread waited for a processor: what others do on
/// the machine is no cost of an attack.
struct Stopwatch {
    pid: i32,
    begun: Instant,
    waited: Duration,
}

impl Stopwatch {
    fn start(pid: i32) -> Self {
        Self {
            pid,
            begun: Instant::now(),
            waited: waited(pid),
        }
    }

    fn passed(&self) -> Duration {
        let waited = waited(self.pid).saturating_sub(self.waited);
        self.begun.elapsed().saturating_sub(waited)
    }
}

/// How long the main thread of the wrapper and this one have been ready to run without running (the
/// second number of `/proc/PID/schedstat`, nanoseconds; nothing on a kernel that does not count
/// it).
fn waited(pid: i32) -> Duration {
    let of = |file: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let number = text.split_whitespace().nth(1).map(str::parse::<u64>);
        Duration::from_nanos(number.and_then(Result::ok).unwrap_or_default())
    };
    of(&format!("/proc/{pid}/schedstat")) + of("/proc/thread-self/schedstat")
}

/// Does something again and again, for as long as an attack takes.
pub fn for_long(mut act: impl FnMut()) {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        act();
    }
}
