//! The main process: spawned, signalled through a pidfd, waited for.
//!
//! Owns the only use of async-process. It never signals by number, so that a recycled process id is
//! never hit, and it never decides when to signal.

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

use crate::lifecycle::Exit;
use crate::process::exec_stub::ExecStub;
use crate::process::reactor;
use crate::process::sentinel::Sentinel;
use crate::process::unregistered;
use crate::signal::Signal;

/// What the process's environment is spared: what systemd meant for the wrapper itself. Named one by one,
/// because programs have variables of their own that begin alike (gitlab-runner's LISTEN_ADDRESS).
const SYSTEMD_VARIABLES: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
];

/// Our own variables all begin with this.
const OWN_PREFIX: &[u8] = b"PROCESS_WRAPPER_";

/// Free descriptors that a spawn wants to see: async-process and we ourselves open one each after the
/// process is already running, when a failure would leave it behind. Twice as many, so that there is room.
const DESCRIPTORS: usize = 4;

/// Pause before the next attempt after an error that leaves the status to be waited for.
const WAIT_RETRY: Duration = Duration::from_millis(100);

/// A program with its arguments, bytes and all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What is run: a path, or a name that is looked up on PATH.
    pub name: OsString,
    /// Its arguments, passed on untouched.
    pub arguments: Vec<OsString>,
}

/// The running main process.
#[derive(Debug)]
pub struct Child {
    /// Shared with the future that waits, which calls `status` again after an error.
    child: Rc<RefCell<async_process::Child>>,
    pidfd: OwnedFd,
    pid: i32,
}

/// Why the process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("{program:?} was not found; give a path, or a name that is on PATH")]
    NotFound {
        /// The program as it was given.
        program: OsString,
    },
    /// The program is there, but the kernel will not execute it.
    #[error("{program:?} cannot be executed: {source}{hint}")]
    NotExecutable {
        /// The program as it was given.
        program: OsString,
        /// What the user can do.
        hint: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
    /// The machine is short of something: processes, memory, descriptors. Nothing of the program has run.
    #[error("{program:?} could not be started: {source}; nothing was run")]
    Shortage {
        /// The program as it was given.
        program: OsString,
        /// The kernel's word.
        source: io::Error,
    },
    /// The machine ran short of something once the program was there; it was killed.
    #[error("{program:?} could not be started: {source}; nothing is left running")]
    Resources {
        /// The program as it was given.
        program: OsString,
        /// The kernel's word.
        source: io::Error,
    },
}

impl SpawnError {
    /// The exit status that shells use for it: 127, 126, or 1.
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::Shortage { .. } | Self::Resources { .. } => 1,
        }
    }

    /// Whether it may be tried again later, with hope and without running anything twice.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Shortage { .. } => true,
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::Resources { .. } => false,
        }
    }
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
#[error("{signal} could not be sent to the process: {source}")]
pub struct SignalError {
    signal: Signal,
    source: io::Error,
}

/// Keeps async-process from starting a thread of its own: whoever polls this future is its reaper.
/// It must be polled once before the first spawn, and then for ever.
pub fn driver() -> impl Future<Output = std::convert::Infallible> + Send + 'static {
    async_process::driver()
}

impl Child {
    /// Starts the program with our own standard streams, in a process group of its own, and with these
    /// variables besides our environment.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn(
        program: &Program,
        environment: &[(&'static str, String)],
    ) -> Result<Self, SpawnError> {
        let mut command = std::process::Command::new(&program.name);
        // posix_spawn is kept: no code of ours runs between fork and exec.
        command.args(&program.arguments).process_group(0);
        spare(&mut command);
        for (name, value) in environment {
            command.env(name, value);
        }
        Self::start(program, command.into(), None, |error| {
            refusal(program, error)
        })
    }

    /// The same, but the program begins only once the sentinel watches the process.
    ///
    /// # Errors
    /// See [`SpawnError`]; in no case is a process left running.
    pub fn spawn_watched(program: &Program, sentinel: &Sentinel) -> Result<Self, SpawnError> {
        let (gate, mut command, stdin) = ExecStub::new(&program.name, &program.arguments)
            .map_err(|source| shortage(program, source))?;
        spare(&mut command);
        let mut command = async_process::Command::from(command);
        command.stdin(stdin);
        // What the kernel refuses here is our own binary, so it says nothing about the program.
        let child =
            Self::start(
                program,
                command,
                Some(sentinel.pid()),
                |error| match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN | Errno::NOMEM) => shortage(program, error),
                    Some(_) => resources(program, error),
                    None => refusal(program, error),
                },
            )?;
        if let Err(error) = sentinel.watch(child.pidfd()) {
            tracing::error!(%error, "the process will not be signalled if the wrapper dies");
        }
        match gate.open() {
            Ok(()) => Ok(child),
            Err(error) => {
                unregistered::kill_and_reap(child.pid);
                Err(refusal(program, error))
            }
        }
    }

    fn start(
        program: &Program,
        mut command: async_process::Command,
        known: Option<i32>,
        refused: impl FnOnce(io::Error) -> SpawnError,
    ) -> Result<Self, SpawnError> {
        let held = reactor::hold(DESCRIPTORS).map_err(|source| shortage(program, source))?;
        drop(held);
        let began = Instant::now();
        let child = match command.reap_on_drop(false).spawn() {
            Ok(child) => child,
            // The program may have run: the start is not to be tried again.
            Err(error) if unregistered::discard(began, known) => {
                return Err(resources(program, error));
            }
            Err(error) => return Err(refused(error)),
        };
        match open_pidfd(&child) {
            Ok((pid, pidfd)) => Ok(Self {
                child: Rc::new(RefCell::new(child)),
                pidfd,
                pid,
            }),
            Err(source) => {
                if let Ok(pid) = i32::try_from(child.id()) {
                    unregistered::kill_and_reap(pid);
                }
                Err(resources(program, source))
            }
        }
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The process itself, however its number is used later.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to the main process only. One that has exited meanwhile is no error: its exit
    /// will be seen next.
    ///
    /// # Errors
    /// EPERM where the process has taken another user's identity; `pidfd_send_signal(2)`.
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        let error = |errno: Errno| SignalError {
            signal,
            source: errno.into(),
        };
        let number = rustix::process::Signal::from_named_raw(signal.number())
            .ok_or_else(|| error(Errno::INVAL))?;
        match pidfd_send_signal(&self.pidfd, number) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(error(errno)),
        }
    }

    /// The exit, if the process has already exited; reaps it.
    ///
    /// # Errors
    /// ECHILD if somebody else has reaped it.
    pub fn try_exit(&mut self) -> io::Result<Option<Exit>> {
        Ok(self.child.borrow_mut().try_status()?.map(exit_of))
    }

    /// Completes with the exit; reaps it. The future does not borrow the child.
    ///
    /// Only ECHILD says that the status is lost. After any other error the process may be alive, so the
    /// future logs the first one and tries again.
    ///
    /// # Errors
    /// ECHILD if another wait has taken the status.
    pub fn exit(&mut self) -> impl Future<Output = io::Result<Exit>> + use<> {
        let child = Rc::clone(&self.child);
        let pid = self.pid;
        async move {
            let mut logged = false;
            loop {
                let status = child.borrow_mut().status();
                match status.await {
                    Ok(status) => return Ok(exit_of(status)),
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

/// Takes what is meant for the wrapper out of the environment. Only where there is something: an untouched
/// environment is passed on byte by byte.
fn spare(command: &mut std::process::Command) {
    for (variable, _) in std::env::vars_os().filter(|(name, _)| is_for_us(name)) {
        command.env_remove(variable);
    }
}

fn is_for_us(variable: &OsStr) -> bool {
    variable.as_bytes().starts_with(OWN_PREFIX)
        || SYSTEMD_VARIABLES.iter().any(|name| variable == *name)
}

fn open_pidfd(child: &async_process::Child) -> io::Result<(i32, OwnedFd)> {
    let number = i32::try_from(child.id()).map_err(|_| io::Error::from(Errno::SRCH))?;
    let pid = Pid::from_raw(number).ok_or(Errno::SRCH)?;
    // Close-on-exec is always set on a pidfd, pidfd_open(2).
    Ok((number, pidfd_open(pid, PidfdFlags::empty())?))
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

fn shortage(program: &Program, source: io::Error) -> SpawnError {
    SpawnError::Shortage {
        program: program.name.clone(),
        source,
    }
}

fn resources(program: &Program, source: io::Error) -> SpawnError {
    SpawnError::Resources {
        program: program.name.clone(),
        source,
    }
}

/// What the kernel's refusal means to the user.
fn refusal(program: &Program, source: io::Error) -> SpawnError {
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
        // There was no fork: no room for a process, or no memory for one.
        Some(Errno::AGAIN | Errno::NOMEM) => return shortage(program, source),
        // Descriptors are opened only after it.
        Some(Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::CHILD) => {
            return resources(program, source);
        }
        Some(_) => "",
        None => {
            if source.kind() == io::ErrorKind::InvalidInput {
                "; a name or argument holds a NUL byte"
            } else {
                return resources(program, source);
            }
        }
    };
    SpawnError::NotExecutable {
        program: name,
        hint,
        source,
    }
}

/// Whether the name leads to a file, the way execvp(3) looks for it.
fn exists(name: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return Path::new(name).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    !name.is_empty() && std::env::split_paths(&path).any(|folder| folder.join(name).exists())
}
