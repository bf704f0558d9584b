//! A child process: spawned, signalled through a pidfd, waited for.
//!
//! Owns the only use of async-process. It never signals by number, so it never hits a recycled
//! process id, and it never decides when to signal.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use smol::Async;

use crate::lifecycle::Exit;
use crate::process::exec_stub::ExecStub;
use crate::process::reactor;
use crate::process::sentinel::Sentinel;
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

/// A program with its arguments, which may be any bytes but NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A path, or a name that is looked up on PATH.
    pub name: OsString,
    /// Its arguments, passed on unchanged.
    pub arguments: Vec<OsString>,
}

/// A running child process.
#[derive(Debug)]
pub struct Child {
    /// Shared with the future that waits.
    child: Rc<RefCell<async_process::Child>>,
    pidfd: Rc<Async<OwnedFd>>,
    pid: i32,
}

/// A process could not be started; none is left running.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program does not exist.
    #[error("{program:?} was not found; give a path, or a name that is on PATH")]
    NotFound {
        /// The program as given.
        program: OsString,
    },
    /// The program exists, but the kernel does not execute it.
    #[error("{program:?} cannot be executed: {source}{hint}")]
    NotExecutable {
        /// The program as given.
        program: OsString,
        /// Likely cause or remedy; starts with `; ` or is empty.
        hint: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
    /// Processes, memory or descriptors were short before the fork. No process was started.
    #[error("{program:?} could not be started: {source}; nothing was run")]
    BeforeFork {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        source: io::Error,
    },
    /// A step after the fork failed; the process was killed and reaped.
    #[error("{program:?} could not be started: {source}; nothing is left running")]
    AfterFork {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        source: io::Error,
    },
}

impl SpawnError {
    /// The exit status that a shell uses: 127, 126 or 1.
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::BeforeFork { .. } | Self::AfterFork { .. } => 1,
        }
    }

    /// Whether a retry may succeed and cannot run the program twice.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::BeforeFork { .. } => true,
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::AfterFork { .. } => false,
        }
    }
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
        let mut command = std::process::Command::new(&program.name);
        // std keeps posix_spawn here, so no code of ours runs between fork and exec.
        command.args(&program.arguments).process_group(0);
        remove_own_variables(&mut command);
        for (name, value) in environment {
            command.env(name, value);
        }
        Self::start(program, command.into(), None, |error| {
            exec_error(program, error)
        })
    }

    /// The same, but the process executes the program only after the sentinel has received its
    /// pidfd.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn_watched(program: &Program, sentinel: &Sentinel) -> Result<Self, SpawnError> {
        let (stub, mut command, stdin) = ExecStub::new(&program.name, &program.arguments)
            .map_err(|source| before_fork(program, source))?;
        remove_own_variables(&mut command);
        let mut command = async_process::Command::from(command);
        command.stdin(stdin);
        // A refusal here concerns our own binary, not the program.
        let child =
            Self::start(
                program,
                command,
                Some(sentinel.pid()),
                |error| match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN | Errno::NOMEM) => before_fork(program, error),
                    Some(_) => after_fork(program, error),
                    None => exec_error(program, error),
                },
            )?;
        if let Err(error) = sentinel.watch(child.pidfd()) {
            tracing::error!(%error, "the process will not be signalled if the wrapper dies");
        }
        match stub.release() {
            Ok(()) => Ok(child),
            Err(error) => {
                unregistered::kill_and_reap(child.pid);
                Err(exec_error(program, error))
            }
        }
    }

    fn start(
        program: &Program,
        mut command: async_process::Command,
        known: Option<i32>,
        refused: impl FnOnce(io::Error) -> SpawnError,
    ) -> Result<Self, SpawnError> {
        let held = reactor::open_descriptors(SPAWN_DESCRIPTORS)
            .map_err(|source| before_fork(program, source))?;
        drop(held);
        let began = Instant::now();
        let child = match command.reap_on_drop(false).spawn() {
            Ok(child) => child,
            // The program may have run: the start is not to be tried again.
            Err(error) if unregistered::discard(began, known) => {
                return Err(after_fork(program, error));
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
                Err(after_fork(program, source))
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

/// Removes the wrapper's variables. `env_remove` rebuilds the environment, so it is called only for
/// variables that are set: an unmodified environment is passed on byte by byte.
fn remove_own_variables(command: &mut std::process::Command) {
    for (variable, _) in std::env::vars_os().filter(|(name, _)| is_own_variable(name)) {
        command.env_remove(variable);
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

fn before_fork(program: &Program, source: io::Error) -> SpawnError {
    SpawnError::BeforeFork {
        program: program.name.clone(),
        source,
    }
}

fn after_fork(program: &Program, source: io::Error) -> SpawnError {
    SpawnError::AfterFork {
        program: program.name.clone(),
        source,
    }
}

/// Classifies an error of fork or exec.
fn exec_error(program: &Program, source: io::Error) -> SpawnError {
    let name = program.name.clone();
    let hint = match Errno::from_io_error(&source) {
        Some(Errno::NOENT) if !exists(&program.name) => {
            return SpawnError::NotFound { program: name };
        }
        Some(Errno::NOENT) => {
            "; its interpreter (the #! line or the dynamic loader) does not exist"
        }
        Some(Errno::NOEXEC) => {
            "; it is neither a program of this machine nor a script with a #! line"
        }
        Some(Errno::ACCESS) => "; it is a directory, or its mode forbids it (chmod +x)",
        // The fork failed: process limit or memory.
        Some(Errno::AGAIN | Errno::NOMEM) => return before_fork(program, source),
        // These arise only after the fork.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::CHILD) => {
            return after_fork(program, source);
        }
        Some(_) => "",
        None => {
            if source.kind() == io::ErrorKind::InvalidInput {
                "; a name or argument holds a NUL byte"
            } else {
                return after_fork(program, source);
            }
        }
    };
    SpawnError::NotExecutable {
        program: name,
        hint,
        source,
    }
}

/// Whether execvp(3) would find a file of this name.
fn exists(name: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return Path::new(name).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    !name.is_empty() && std::env::split_paths(&path).any(|folder| folder.join(name).exists())
}
