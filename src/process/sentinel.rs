//! The sentinel of `--on-wrapper-death`: a process of our own binary that signals the wrapped
//! process if the wrapper dies first.
//!
//! Owns both halves and the lifeline, a socket whose wrapper end the kernel closes however the
//! wrapper dies. The sentinel never acts while the wrapper lives. Of the wrapped process it holds
//! only a pidfd, so it never signals another process and keeps no stream open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use crate::process::fd_channel;
use crate::process::remedy::remedy_of_clone;
use crate::process::streams::Inherited;
use crate::signal::Signal;

/// First argument of a sentinel; no command has this name.
pub const ARGUMENT: &str = "--sentinel";

/// The sentinel could not be started.
#[derive(Debug, thiserror::Error)]
#[error("--on-wrapper-death: the sentinel could not be started: {0}{hint}", hint = hint(.0))]
pub struct SentinelError(#[from] io::Error);

fn hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "; mount /proc, through which it finds its own binary",
        Some(_) | None => remedy_of_clone(error),
    }
}

/// The wrapper's half.
#[derive(Debug)]
pub struct Sentinel {
    process: std::process::Child,
    lifeline: OwnedFd,
}

impl Sentinel {
    /// Starts a sentinel, before the process to watch is spawned. `None` as PID 1: when PID 1 dies,
    /// the kernel kills its pid namespace, pid_namespaces(7).
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
        // All three streams are the lifeline: an inherited one would keep a pipe open for its
        // reader.
        let process = fd_channel::helper_command(ARGUMENT)
            .arg(signal.name())
            .env_clear()
            .stdin(Stdio::from(other_end.try_clone()?))
            .stdout(Stdio::from(other_end.try_clone()?))
            .stderr(Stdio::from(other_end))
            .spawn()?;
        Ok(Some(Self { process, lifeline }))
    }

    /// Sends it the pidfd of the process to watch.
    ///
    /// # Errors
    /// EPIPE if the sentinel has died; `sendmsg(2)`.
    pub fn watch(&self, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(fd_channel::send_fd(&self.lifeline, pidfd)?)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap_or_default()
    }

    /// Its exit, if it has exited; reaps it.
    ///
    /// # Errors
    /// ECHILD if another wait has taken the status.
    pub fn try_exit(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }
}

/// The sentinel's half: waits until the process or the wrapper ends. Main has blocked all signals,
/// and they stay blocked: a signal of a terminal or a script must not end the watch.
///
/// Returns the exit code.
pub fn run(signal: Option<Signal>) -> u8 {
    // Pipes and locks that the launcher passed on would last until the process is gone.
    Inherited::find().close();
    // The first keeps no file system busy; the second tells it apart from the wrapper in ps(1).
    let _ = std::env::set_current_dir("/");
    let _ = nix::sys::prctl::set_name(c"pw-sentinel");
    let stdin = io::stdin();
    match signal
        .ok_or(Errno::INVAL)
        .and_then(|signal| watch_until_exit(stdin.as_fd(), signal))
    {
        Ok(()) => 0,
        // No stream is left to report to.
        Err(_) => 1,
    }
}

fn watch_until_exit(lifeline: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let Some(pidfd) = fd_channel::receive_fd(lifeline)? else {
        // The wrapper ended before it started a process.
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
        // A pidfd becomes readable when the process exits, pidfd_open(2).
        if !watched[0].revents().is_empty() {
            return Ok(());
        }
        if !watched[1].revents().is_empty() {
            break;
        }
    }
    // A stopped process receives the signal only once it continues.
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
