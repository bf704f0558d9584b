//! The exec stub of `--on-wrapper-death`: the main process starts as our own binary, waits until
//! the sentinel watches it, and then executes the program.
//!
//! Owns both halves. Whenever the wrapper dies, either the program never starts or the sentinel has
//! the process's pidfd. The stub never chooses the program. Process id, streams, environment,
//! arguments, mask and dispositions are those of a process spawned directly.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::process::{fd_channel, signals};

/// First argument of a stub; no command has this name.
pub const ARGUMENT: &str = "--exec-stub";

/// The search path without PATH, as for execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

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
        match fd_channel::send_fd(&self.0, io::stdin().as_fd()) {
            // The stub has died.
            Ok(()) | Err(Errno::PIPE) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut errno = [0; size_of::<i32>()];
        loop {
            match recv(&self.0, &mut errno[..], RecvFlags::empty()) {
                // The exec closes the channel; so does a death.
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(()),
                Ok(_) => return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
                Err(Errno::INTR) => {}
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
    for candidate in candidates(OsStr::from_bytes(name.as_bytes()), path.as_deref()) {
        let Ok(candidate) = CString::new(candidate.into_vec()) else {
            continue;
        };
        // Not execvp(3): it hands scripts without a #! line to a shell, and posix_spawnp(3) does
        // not.
        let Err(errno) = nix::unistd::execv(&candidate, arguments);
        last = Errno::from_raw_os_error(errno as i32);
        match last {
            Errno::ACCESS => denied = true,
            Errno::NOENT | Errno::STALE | Errno::NOTDIR | Errno::NODEV | Errno::TIMEDOUT => {}
            _ => return last,
        }
    }
    if denied { Errno::ACCESS } else { last }
}

/// The candidate files for a program, in the order of posix_spawnp(3).
fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .map(|folder| folder.join(name).into_os_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, path: Option<&str>) -> Vec<OsString> {
        candidates(OsStr::new(name), path.map(OsStr::new))
    }

    #[test]
    fn a_name_is_looked_up_on_path_and_a_path_is_not() {
        assert_eq!(found("sh", Some("/a:/b")), ["/a/sh", "/b/sh"]);
        assert_eq!(found("./sh", Some("/a:/b")), ["./sh"]);
        assert_eq!(
            found("sh", Some("")),
            ["sh"],
            "an empty entry is the current directory"
        );
        assert_eq!(found("sh", None), ["/bin/sh", "/usr/bin/sh"]);
        assert_eq!(found("", Some("/a")), [""; 0]);
    }

    #[test]
    fn releasing_a_dead_stub_is_no_error() {
        let (stub, _command, stdin) = ExecStub::new(OsStr::new("true"), &[]).unwrap();
        drop(stdin);
        stub.release().unwrap();
    }
}
