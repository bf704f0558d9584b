//! The sentinel of `--on-wrapper-death`: a small process of our own binary that signals the wrapped
//! process if the wrapper dies without having seen its end.
//!
//! Owns both of its halves and the socket between them, the lifeline: the wrapper's end is closed by the
//! kernel however the wrapper dies. It never decides anything for a living wrapper, and it holds nothing
//! of the wrapped process: no stream, no group, only a pidfd, so that no other process is ever signalled.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use crate::process::fd_channel;
use crate::signal::Signal;

/// The first argument of a sentinel; no command of ours has this name.
pub const ARGUMENT: &str = "--sentinel";

/// Why there is no sentinel.
#[derive(Debug, thiserror::Error)]
#[error(
    "the sentinel of --on-wrapper-death could not be started: {0}; it needs /proc and one process more"
)]
pub struct SentinelError(#[from] io::Error);

/// The wrapper's half.
#[derive(Debug)]
pub struct Sentinel {
    process: std::process::Child,
    lifeline: OwnedFd,
}

impl Sentinel {
    /// Starts a sentinel, before there is a process to watch over. As PID 1 there is none: when it dies,
    /// the kernel kills everything in its pid namespace, pid_namespaces(7).
    ///
    /// # Errors
    /// See [`SentinelError`].
    pub fn start(signal: Signal) -> Result<Option<Self>, SentinelError> {
        if rustix::process::getpid().is_init() {
            tracing::info!(
                "--on-wrapper-death does nothing as PID 1: the kernel ends everything then"
            );
            return Ok(None);
        }
        let (lifeline, other_end) = fd_channel::pair()?;
        // The lifeline takes the place of all three streams: a sentinel that held one would keep a pipe open for
        // its reader.
        let process = fd_channel::helper(ARGUMENT)
            .arg(signal.name())
            .env_clear()
            .stdin(Stdio::from(other_end.try_clone()?))
            .stdout(Stdio::from(other_end.try_clone()?))
            .stderr(Stdio::from(other_end))
            .spawn()?;
        Ok(Some(Self { process, lifeline }))
    }

    /// Hands the process to it.
    ///
    /// # Errors
    /// EPIPE if the sentinel has died; `sendmsg(2)`.
    pub fn watch(&self, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(fd_channel::hand_over(&self.lifeline, pidfd)?)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap_or_default()
    }

    /// Its exit, if it has exited; reaps it.
    ///
    /// # Errors
    /// ECHILD if somebody else has reaped it.
    pub fn try_exit(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }
}

/// The sentinel's half: waits for the end of the process or of the wrapper. All signals are blocked since
/// main's first line, and stay so: what a terminal or a script sends to us would end the watch.
///
/// Returns its exit code.
pub fn run(signal: Option<Signal>) -> u8 {
    // So that it keeps no file system busy and is told from the wrapper in a list of processes.
    let _ = std::env::set_current_dir("/");
    let _ = nix::sys::prctl::set_name(c"pw-sentinel");
    let stdin = io::stdin();
    match signal
        .ok_or(Errno::INVAL)
        .and_then(|signal| keep_watch(stdin.as_fd(), signal))
    {
        Ok(()) => 0,
        // There is nobody left to tell.
        Err(_) => 1,
    }
}

fn keep_watch(lifeline: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let Some(pidfd) = fd_channel::receive(lifeline)? else {
        // The wrapper left without having started anything.
        return Ok(());
    };
    let mut watched = [
        PollFd::new(&pidfd, PollFlags::IN),
        PollFd::from_borrowed_fd(lifeline, PollFlags::IN),
    ];
    loop {
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        // A pidfd becomes readable at the exit, pidfd_open(2): then there is nothing left to do.
        if !watched[0].revents().is_empty() {
            return Ok(());
        }
        if !watched[1].revents().is_empty() {
            break;
        }
    }
    // A stopped process would not see the signal until somebody continues it.
    for signal in [signal, Signal::CONT] {
        let number =
            rustix::process::Signal::from_named_raw(signal.number()).ok_or(Errno::INVAL)?;
        match pidfd_send_signal(&pidfd, number) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
