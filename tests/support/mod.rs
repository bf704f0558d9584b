//! Shared by the tests with real processes: a wrapper under test and clients for it.
//!
//! Nothing here sleeps to be right: every wait is for an event, with a deadline that only a failure
//! meets.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared: each test binary uses a part of it"
)]

#[cfg(feature = "tls")]
pub mod certificates;
pub mod client;
pub mod http1;
#[path = "../../src/grpc/tests/http2.rs"]
pub mod http2;
pub mod http2_peer;
pub mod peers;
pub mod schema;
pub mod unprivileged;
pub mod webhook_receiver;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest wait for an event; only a failure reaches it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A child that prints `ready` and exits with code 3 when it gets SIGQUIT.
pub const DRAINS: &str =
    "trap 'echo draining; exit 3' QUIT; echo ready; while :; do sleep 1 & wait $!; done";

/// A child that prints `draining` when it gets SIGQUIT, and then drains until the file `$1` exists.
pub const DRAINS_UNTIL_TOLD: &str = "trap 'draining=1; echo draining' QUIT; echo ready; \
    while :; do sleep 0.05 & wait $!; if [ \"$draining\" ] && [ -e \"$1\" ]; then exit 0; fi; done";

/// A running `process-wrapper run` and its folder.
pub struct Wrapper {
    pub process: Child,
    pub folder: TempDir,
    pub stdout: Lines,
    pub stderr: Lines,
}

/// How to start one.
pub struct Setup {
    command: Command,
    folder: TempDir,
}

/// The program under test. PROCESS_WRAPPER_TEST_BINARY names another one, such as a build for
/// another processor behind an emulator.
pub fn binary() -> &'static Path {
    static CHOSEN: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("PROCESS_WRAPPER_TEST_BINARY")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_process-wrapper").into())
            .into()
    });
    &CHOSEN
}

/// A wrapper on a unix socket in a folder of its own.
pub fn setup(options: &[&str], command: &[&str]) -> Setup {
    setup_bare(options, command, true)
}

/// The same, with or without the listener.
pub fn setup_bare(options: &[&str], command: &[&str], listen: bool) -> Setup {
    setup_with(|wrapper, folder| {
        wrapper.arg("run");
        if listen {
            let socket = folder.join("control.sock");
            wrapper
                .arg("--listen")
                .arg(format!("unix:{}", socket.display()));
        }
        wrapper.args(options).arg("--").args(command);
    })
}

/// With any command line: `fill` writes it, and may put files into the directory.
pub fn setup_with(fill: impl FnOnce(&mut Command, &Path)) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let mut wrapper = Command::new(binary());
    wrapper.env_remove("PROCESS_WRAPPER_ADDRESS");
    fill(&mut wrapper, folder.path());
    wrapper
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Setup {
        command: wrapper,
        folder,
    }
}

impl Setup {
    /// Where its files will be.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn configure(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Puts another command around or in the place of this one, its standard streams piped as
    /// before.
    pub fn replace(mut self, change: impl FnOnce(&Command) -> Command) -> Self {
        self.command = change(&self.command);
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self
    }

    pub fn start(mut self) -> Wrapper {
        let mut process = self.command.spawn().unwrap();
        let stdout = process.stdout.take().map(Lines::read).unwrap_or_default();
        let stderr = process.stderr.take().map(Lines::read).unwrap_or_default();
        Wrapper {
            process,
            folder: self.folder,
            stdout,
            stderr,
        }
    }
}

impl Setup {
    /// Starts it with a stderr that no thread reads; the caller gets the reading end.
    pub fn start_unread(mut self) -> (Wrapper, std::process::ChildStderr) {
        let mut process = self.command.spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let stdout = process.stdout.take().map(Lines::read).unwrap_or_default();
        let wrapper = Wrapper {
            process,
            folder: self.folder,
            stdout,
            stderr: Lines::default(),
        };
        (wrapper, stderr)
    }
}

/// Starts a wrapper around a shell script and waits until the script says `ready`.
pub fn start_ready(options: &[&str], script: &str) -> Wrapper {
    let wrapper = setup(options, &["sh", "-c", script, "sh"]).start();
    wrapper.stdout.wait_for("ready");
    wrapper
}

impl Wrapper {
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    pub fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end; what was printed until then can be read afterwards.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.process)
    }

    /// Waits for the end and answers with the exit code.
    pub fn code(&mut self) -> i32 {
        let status = self.wait();
        status.code().unwrap_or_else(|| {
            panic!(
                "the wrapper was ended by signal {:?}: {}",
                status.signal(),
                self.stderr.text()
            )
        })
    }

    /// The process id of the main process, from the log.
    pub fn child_pid(&self) -> i32 {
        let line = self.stderr.wait_for("started");
        let digits = line.split("pid=").nth(1).unwrap();
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end].parse().unwrap()
    }
}

impl Drop for Wrapper {
    fn drop(&mut self) {
        // A failed test must not leave processes: the main process has a group of its own.
        if let Ok(None) = self.process.try_wait() {
            let children = format!("/proc/{0}/task/{0}/children", self.process.id());
            for pid in std::fs::read_to_string(children)
                .unwrap_or_default()
                .split_whitespace()
            {
                let group = nix::unistd::Pid::from_raw(pid.parse().unwrap());
                let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            }
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Waits for a child of ours with the deadline.
pub fn wait_for_exit(process: &mut Child) -> ExitStatus {
    // A pidfd becomes readable at the exit: no polling.
    let pid = rustix::process::Pid::from_child(process);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let mut polled = [rustix::event::PollFd::new(
        &pidfd,
        rustix::event::PollFlags::IN,
    )];
    let timeout = rustix::event::Timespec::try_from(DEADLINE).unwrap();
    let ready = rustix::event::poll(&mut polled, Some(&timeout)).unwrap();
    assert_eq!(ready, 1, "process {} did not end", process.id());
    process.wait().unwrap()
}

/// Writes a program. Another process does it: a child that another test starts meanwhile would hold
/// our descriptor open for writing, and such a file cannot be executed (ETXTBSY).
pub fn write_program(path: &Path, text: &str) {
    let status = Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .arg(text)
        .status();
    assert!(status.unwrap().success(), "{path:?} was not written");
}

/// Copies a program, through another process for the same reason as [`write_program`].
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").args([from, to]).status();
    assert!(status.unwrap().success(), "{from:?} was not copied");
}

/// Waits until a condition about the outside world holds for which there is no event to wait for.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::yield_now();
    }
}

/// Runs a test this many times, several at once; the number of the run is the argument.
pub fn sweep(runs: usize, test: impl Fn(usize) + Sync) {
    sweep_by(4, runs, test);
}

/// The same with this many at once, for a test that mostly waits.
pub fn sweep_by(threads: usize, runs: usize, test: impl Fn(usize) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    test(run);
                }
            });
        }
    });
}

/// The lines of a stream, read by a thread so that the writer never blocks.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<(Mutex<Progress>, Condvar)>,
}

#[derive(Default)]
struct Progress {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub fn read(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            let (read, changed) = &*writer.shared;
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                read.lock().unwrap().lines.push(line);
                changed.notify_all();
            }
            read.lock().unwrap().ended = true;
            changed.notify_all();
        });
        lines
    }

    /// The first line that holds the text.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_nth(text, 1)
    }

    /// The nth line that holds the text.
    pub fn wait_for_nth(&self, text: &str, nth: usize) -> String {
        let (read, changed) = &*self.shared;
        let deadline = Instant::now() + DEADLINE;
        let mut read = read.lock().unwrap();
        loop {
            let mut found = read.lines.iter().filter(|line| line.contains(text));
            if let Some(line) = found.nth(nth - 1) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !read.ended,
                "{text:?} was not printed, but:\n{}",
                read.lines.join("\n")
            );
            read = changed.wait_timeout(read, left).unwrap().0;
        }
    }

    /// The first line, or nothing if the stream ends without one.
    pub fn first_line(&self) -> Option<String> {
        let (read, changed) = &*self.shared;
        let read = read.lock().unwrap();
        let (read, timeout) = changed
            .wait_timeout_while(read, DEADLINE, |read| !read.ended && read.lines.is_empty())
            .unwrap();
        assert!(!timeout.timed_out(), "neither a line nor the end came");
        read.lines.first().cloned()
    }

    /// The text read so far.
    pub fn text(&self) -> String {
        // A test that failed while it waited has poisoned the lock.
        let read = self.shared.0.lock();
        let read = read.unwrap_or_else(std::sync::PoisonError::into_inner);
        read.lines.join("\n")
    }

    /// Everything, once the stream has ended.
    pub fn all(&self) -> String {
        let (read, changed) = &*self.shared;
        let read = read.lock().unwrap();
        let (read, timeout) = changed
            .wait_timeout_while(read, DEADLINE, |read| !read.ended)
            .unwrap();
        assert!(!timeout.timed_out(), "the stream did not end");
        read.lines.join("\n")
    }
}

/// The resident memory of a process now, in bytes (`VmRSS` of proc_pid_status(5)).
pub fn memory(pid: i32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The memory that a process has allocated and used, in bytes (`RssAnon`): the pages of its code
/// come as it runs, and say nothing about what it allocates.
pub fn own_memory(pid: i32) -> u64 {
    status_bytes(pid, "RssAnon:")
}

fn status_bytes(pid: i32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap() * 1024
}
