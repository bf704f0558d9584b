//! A child process: spawned, signalled through a pidfd, waited for.
//!
//! Owns the only use of async-process. It never signals by number, so it never hits a recycled
//! process id, and it never decides when to signal.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use smol::Async;

use crate::lifecycle::Exit;
use crate::process::exec_stub::ExecStub;
pub use crate::process::program::Program;
use crate::process::reactor;
use crate::process::sentinel::Sentinel;
pub use crate::process::spawn_error::SpawnError;
use crate::process::unregistered;
use crate::signal::Signal;

/// Variables that systemd sets for the wrapper itself; the process does not inherit them. A prefix
/// would not do: gitlab-runner's LISTEN_ADDRESS is its own.
const SYSTEMD_VARIABLES: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
];

/// Prefix of the wrapper's own variables.
const OWN_PREFIX: &[u8] = b"PROCESS_WRAPPER_";

/// Descriptors that must be free before a spawn. async-process and [`Child`] open one each after
/// the fork; the rest is a margin.
const SPAWN_DESCRIPTORS: usize = 4;

/// Pause before the next attempt after an error that leaves the status to be waited for.
const WAIT_RETRY: Duration = Duration::from_millis(100);

/// First and longest pause while the process is dead but cannot be reaped; each doubles the last.
const HELD_PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// A running child process.
#[derive(Debug)]
pub struct Child {
    /// Shared with the future that waits.
    child: Rc<RefCell<async_process::Child>>,
    pidfd: Rc<Async<OwnedFd>>,
    pid: i32,
}

/// The kernel refused a signal.
#[derive(Debug, thiserror::Error)]
#[error("sending {signal} to the process failed: {source}")]
pub struct SignalError {
    signal: Signal,
    source: io::Error,
}

/// The reaper of async-process, which starts a thread for it unless this future is polled first.
///
/// Poll it once before the first spawn, and from then on for ever.
pub fn driver() -> impl Future<Output = std::convert::Infallible> + Send + 'static {
    async_process::driver()
}

/// A process that waits for its release before it executes the program. Dropped, it ends without
/// that.
#[derive(Debug)]
pub struct HeldChild {
    child: Child,
    stub: ExecStub,
}

impl HeldChild {
    /// The process id, before and after the exec.
    pub fn pid(&self) -> i32 {
        self.child.pid
    }

    /// Executes the program.
    ///
    /// # Errors
    /// See [`SpawnError`]; no process is left running.
    pub fn release(self, program: &Program) -> Result<Child, SpawnError> {
        match self.stub.release() {
            Ok(()) => Ok(self.child),
            Err(error) => {
                unregistered::kill_and_reap(self.child.pid);
                Err(SpawnError::of_exec(program, error))
            }
        }
    }
}

impl Child {
    /// Starts the program with our standard streams and our environment plus these variables, in a
    /// process group of its own.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn(
        program: &Program,
        environment: &[(&'static str, String)],
    ) -> Result<Self, SpawnError> {
        match Self::spawn_file(program, environment) {
            Err(error) if error.is_no_exec() => {
                // As execvp(3): /bin/sh executes a script without a #! line.
                let Some(shell) = program.by_shell() else {
                    return Err(error);
                };
                match Self::spawn_file(&shell, environment) {
                    Err(SpawnError::NotFound { .. } | SpawnError::NotExecutable { .. }) => {
                        Err(error)
                    }
                    spawned => spawned,
                }
            }
            spawned => spawned,
        }
    }

    fn spawn_file(
        program: &Program,
        environment: &[(&'static str, String)],
    ) -> Result<Self, SpawnError> {
        let mut command = std::process::Command::new(&program.name);
        // std keeps posix_spawn here, so no code of ours runs between fork and exec.
        command.args(&program.arguments).process_group(0);
        let rebuilds = !environment.is_empty();
        remove_own_variables(&mut command, rebuilds);
        for (name, value) in environment {
            command.env(name, value);
        }
        Self::start(program, command.into(), None, |error| {
            SpawnError::of_exec(program, error)
        })
    }

    /// The same, but the process executes the program only after the sentinel has received its
    /// pidfd.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn_watched(program: &Program, sentinel: &Sentinel) -> Result<Self, SpawnError> {
        Self::spawn_held(program, Some(sentinel))?.release(program)
    }

    /// Spawns a process that does not execute the program before it is released, nor if the wrapper
    /// dies before. The sentinel, if there is one, watches it already.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn_held(
        program: &Program,
        sentinel: Option<&Sentinel>,
    ) -> Result<HeldChild, SpawnError> {
        let (stub, mut command, stdin) = ExecStub::new(&program.name, &program.arguments)
            .map_err(|source| SpawnError::before_fork(program, source))?;
        remove_own_variables(&mut command, false);
        let mut command = async_process::Command::from(command);
        command.stdin(stdin);
        // A refusal here concerns our own binary, not the program.
        let child = Self::start(program, command, sentinel.map(Sentinel::pid), |error| {
            match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::NOMEM) => SpawnError::before_fork(program, error),
                Some(_) => SpawnError::after_fork(program, error),
                None => SpawnError::of_exec(program, error),
            }
        })?;
        if let Some(sentinel) = sentinel
            && let Err(error) = sentinel.watch(child.pidfd())
        {
            tracing::error!(%error, "the process will not be signalled if the wrapper dies");
        }
        Ok(HeldChild { child, stub })
    }

    fn start(
        program: &Program,
        mut command: async_process::Command,
        known: Option<i32>,
        refused: impl FnOnce(io::Error) -> SpawnError,
    ) -> Result<Self, SpawnError> {
        let held = reactor::open_descriptors(SPAWN_DESCRIPTORS)
            .map_err(|source| SpawnError::before_fork(program, source))?;
        drop(held);
        let began = Instant::now();
        let child = match command.reap_on_drop(false).spawn() {
            Ok(child) => child,
            // The program may have run: the start is not to be tried again.
            Err(error) if !leaves_no_process(&error) && unregistered::discard(began, known) => {
                return Err(SpawnError::after_fork(program, error));
            }
            Err(error) => return Err(refused(error)),
        };
        match open_pidfd(&child) {
            Ok((pid, pidfd)) => Ok(Self {
                child: Rc::new(RefCell::new(child)),
                pidfd: Rc::new(pidfd),
                pid,
            }),
            Err(source) => {
                if let Ok(pid) = i32::try_from(child.id()) {
                    unregistered::kill_and_reap(pid);
                }
                Err(SpawnError::after_fork(program, source))
            }
        }
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Refers to this process even after the kernel has reused its id.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to this process only. A process that has already exited is no error.
    ///
    /// # Errors
    /// EPERM if the process runs as another user; `pidfd_send_signal(2)`.
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        let error = |errno: Errno| SignalError {
            signal,
            source: errno.into(),
        };
        let number = rustix::process::Signal::from_named_raw(signal.number())
            .ok_or_else(|| error(Errno::INVAL))?;
        match pidfd_send_signal(self.pidfd(), number) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(error(errno)),
        }
    }

    /// The exit, if the process has already exited; reaps it.
    ///
    /// # Errors
    /// ECHILD if another wait has taken the status.
    pub fn try_exit(&mut self) -> io::Result<Option<Exit>> {
        Ok(self.child.borrow_mut().try_status()?.map(exit_of))
    }

    /// Completes with the exit; reaps it. The future does not borrow the child.
    ///
    /// Only ECHILD says that the status is lost. After any other error the process may be alive, so
    /// the future logs the first one and tries again.
    ///
    /// A debugger may hold the dead process: its pidfd then stays readable, but nothing can be
    /// reaped (`ptrace(2)`). So this is not the wait of async-process, which would poll without
    /// pause.
    ///
    /// # Errors
    /// ECHILD if another wait has taken the status.
    pub fn exit(&mut self) -> impl Future<Output = io::Result<Exit>> + use<> {
        let child = Rc::clone(&self.child);
        let pidfd = Rc::clone(&self.pidfd);
        let pid = self.pid;
        async move {
            let mut logged = false;
            let (mut pause, longest) = HELD_PAUSES;
            loop {
                let status = match pidfd.readable().await {
                    Ok(()) => child.borrow_mut().try_status(),
                    Err(error) => Err(error),
                };
                match status {
                    Ok(Some(status)) => return Ok(exit_of(status)),
                    Ok(None) => {
                        smol::Timer::after(pause).await;
                        pause = longest.min(pause * 2);
                        continue;
                    }
                    Err(error) if Errno::from_io_error(&error) == Some(Errno::CHILD) => {
                        return Err(error);
                    }
                    Err(error) if !logged => {
                        logged = true;
                        tracing::error!(pid, %error, "waiting for the process failed and is tried again");
                    }
                    Err(_) => {}
                }
                smol::Timer::after(WAIT_RETRY).await;
            }
        }
    }
}

/// Whether clone(2) has refused a process, or execve(2) has failed, so that the spawn has reaped
/// what it forked. A search could then only find another process. ENOMEM and EPERM may also come
/// from pidfd_open(2) and epoll_ctl(2) after the fork, but EAGAIN cannot.
fn leaves_no_process(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::AGAIN
                | Errno::NOENT
                | Errno::ACCESS
                | Errno::NOEXEC
                | Errno::TOOBIG
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::TXTBSY
                | Errno::LOOP
                | Errno::NAMETOOLONG
        )
    )
}

/// Removes the wrapper's variables, if any is set: an unmodified environment is passed on byte by
/// byte, while std sorts a modified one and drops entries without a name or `=`. `rebuilds`: other
/// variables modify it in any case.
fn remove_own_variables(command: &mut std::process::Command, rebuilds: bool) {
    if !rebuilds && !std::env::vars_os().any(|(name, _)| is_own_variable(&name)) {
        return;
    }
    let mut seen = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        if is_own_variable(&name) {
            command.env_remove(name);
        } else if let Some(first) = seen.get(&name) {
            // Of duplicates std takes the last one, and getenv(3) the first.
            command.env(name, first);
        } else {
            seen.insert(name, value);
        }
    }
}

fn is_own_variable(variable: &OsStr) -> bool {
    variable.as_bytes().starts_with(OWN_PREFIX)
        || SYSTEMD_VARIABLES.iter().any(|name| variable == *name)
}

fn open_pidfd(child: &async_process::Child) -> io::Result<(i32, Async<OwnedFd>)> {
    let number = i32::try_from(child.id()).map_err(|_| io::Error::from(Errno::SRCH))?;
    let pid = Pid::from_raw(number).ok_or(Errno::SRCH)?;
    // Close-on-exec is always set on a pidfd, pidfd_open(2).
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Ok((number, Async::new_nonblocking(pidfd)?))
}

fn exit_of(status: ExitStatus) -> Exit {
    let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(byte(code)),
        (None, signal) => Exit::Signal {
            number: byte(signal.unwrap_or_default()),
            core_dumped: status.core_dumped(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_can_follow_the_fork_starts_a_search() {
        for (errno, expected) in [
            (Errno::AGAIN, true),
            (Errno::NOENT, true),
            (Errno::ACCESS, true),
            (Errno::NOMEM, false),
            (Errno::PERM, false),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::NOSPC, false),
        ] {
            assert_eq!(leaves_no_process(&errno.into()), expected, "{errno}");
        }
    }
}
