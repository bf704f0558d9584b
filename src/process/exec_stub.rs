//! The exec stub of `--on-wrapper-death` and `--state-dir`: the main process starts as our own
//! binary, waits until the sentinel watches it and its webhooks are on disk, and then executes the
//! program.
//!
//! Owns both halves. Whenever the wrapper dies, either the program never starts or the sentinel has
//! the process's pidfd. The stub never chooses the program. Process id, streams, environment,
//! arguments, mask and dispositions are those of a process spawned directly.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::process::{fd_channel, program, signals};

/// First argument of a stub; no command has this name.
pub const ARGUMENT: &str = "--exec-stub";

/// The wrapper's half.
#[derive(Debug)]
pub(super) struct ExecStub(OwnedFd);

impl ExecStub {
    /// The wrapper's half, the command that starts the stub for the program, and the stub's
    /// standard input.
    ///
    /// # Errors
    /// EMFILE and ENFILE, `socketpair(2)`.
    pub(super) fn new(name: &OsStr, arguments: &[OsString]) -> io::Result<(Self, Command, Stdio)> {
        let (channel, other_end) = fd_channel::pair()?;
        let mut command = fd_channel::helper_command(ARGUMENT);
        command.arg(name).args(arguments);
        Ok((Self(channel), command, Stdio::from(other_end)))
    }

    /// Sends the stub our standard input and returns once it has executed the program or has died.
    ///
    /// # Errors
    /// Those of `execve(2)`; the stub then exits by itself.
    pub(super) fn release(self) -> io::Result<()> {
        let flags = match fd_channel::send_fd(&self.0, io::stdin().as_fd()) {
            Ok(()) => RecvFlags::empty(),
            // The stub has died, so the end of the channel is there already.
            Err(Errno::PIPE) => RecvFlags::DONTWAIT,
            Err(errno) => return Err(errno.into()),
        };
        self.wait_for_exec(flags)
    }

    fn wait_for_exec(&self, flags: RecvFlags) -> io::Result<()> {
        let mut errno = [0; size_of::<i32>()];
        let mut reset = false;
        loop {
            match recv(&self.0, &mut errno[..], flags) {
                // The exec closes the channel; so does a death.
                Ok((_, 0)) => return Ok(()),
                // A stub that could not receive our standard input left it unread, which resets the
                // channel once, ahead of the errno that the stub has sent.
                Err(Errno::CONNRESET) if !reset => reset = true,
                Err(Errno::CONNRESET) => return Ok(()),
                Ok(_) => return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Errno::PIPE.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The stub's half: waits for its release and executes the program. Main has blocked all signals; a
/// pending one is delivered right before the exec.
///
/// Returns the exit code if the program was not executed.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let Ok(channel) = io::stdin().as_fd().try_clone_to_owned() else {
        return 1;
    };
    let errno = match fd_channel::receive_fd(&channel) {
        Ok(Some(stdin)) => execute(&stdin, arguments),
        // The wrapper has died.
        Ok(None) => return 1,
        Err(errno) => errno,
    };
    // The wrapper may have died.
    let _ = send(
        &channel,
        &errno.raw_os_error().to_ne_bytes(),
        SendFlags::NOSIGNAL,
    );
    1
}

/// Executes the program; returns only the error.
fn execute(stdin: &OwnedFd, arguments: impl Iterator<Item = OsString>) -> Errno {
    let arguments: Result<Vec<CString>, _> = arguments
        .map(|argument| CString::new(argument.into_vec()))
        .collect();
    let Some((name, arguments)) = arguments
        .as_deref()
        .ok()
        .and_then(|all| Some((all.first()?, all)))
    else {
        return Errno::INVAL;
    };
    if let Err(errno) = rustix::stdio::dup2_stdin(stdin) {
        return errno;
    }
    // Rust's runtime ignores SIGPIPE, and exec keeps an ignored signal ignored. It resets a handled
    // one to the default, as in a process spawned directly.
    let flag = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGPIPE, flag) {
        return Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
    }
    if let Err(error) = signals::unblock() {
        return Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
    }
    let path = std::env::var_os("PATH");
    let mut denied = false;
    let mut last = Errno::NOENT;
    for candidate in program::candidates(OsStr::from_bytes(name.as_bytes()), path.as_deref()) {
        let Ok(candidate) = CString::new(candidate.into_vec()) else {
            continue;
        };
        last = exec(&candidate, arguments);
        match last {
            Errno::ACCESS => denied = true,
            Errno::NOEXEC => return run_by_shell(candidate, arguments),
            Errno::NOENT | Errno::STALE | Errno::NOTDIR | Errno::NODEV | Errno::TIMEDOUT => {}
            _ => return last,
        }
    }
    if denied { Errno::ACCESS } else { last }
}

fn exec(file: &CString, arguments: &[CString]) -> Errno {
    let Err(errno) = nix::unistd::execv(file, arguments);
    Errno::from_raw_os_error(errno as i32)
}

/// Executes a script without a `#!` line by `/bin/sh`. Not execvp(3), which hands binaries of other
/// machines to the shell as well.
fn run_by_shell(script: CString, arguments: &[CString]) -> Errno {
    if !program::is_script(Path::new(OsStr::from_bytes(script.as_bytes()))) {
        return Errno::NOEXEC;
    }
    let Ok(shell) = CString::new(program::SHELL) else {
        return Errno::NOEXEC;
    };
    let mut all = vec![shell.clone(), script];
    all.extend(arguments.iter().skip(1).cloned());
    exec(&shell, &all);
    // As if there were no shell: the error is about the program.
    Errno::NOEXEC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releasing_a_dead_stub_is_no_error() {
        let (stub, _command, stdin) = ExecStub::new(OsStr::new("true"), &[]).unwrap();
        drop(stdin);
        stub.release().unwrap();
    }

    #[test]
    fn a_stub_that_could_not_receive_its_standard_input_is_an_error() {
        let (channel, other_end) = fd_channel::pair().unwrap();
        let stub = ExecStub(channel);
        let errno = Errno::NOMEM.raw_os_error();
        send(&other_end, &errno.to_ne_bytes(), SendFlags::NOSIGNAL).unwrap();
        fd_channel::send_fd(&stub.0, io::stdin().as_fd()).unwrap();
        drop(other_end);
        let error = stub.wait_for_exec(RecvFlags::empty()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
    }
}
