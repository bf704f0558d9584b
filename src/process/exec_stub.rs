//! The gate of `--on-wrapper-death`: the main process waits in it, as a process of our own binary, until its
//! sentinel watches it, and only then executes the program.
//!
//! Owns both of its halves. Whatever moment the wrapper dies at, either the program has not begun, and never
//! will, or the sentinel knows the process. It never chooses what is executed, and adds nothing to it: process
//! id, streams, environment, arguments, mask and dispositions are those of a process that was spawned directly.

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

/// The first argument of a process in the gate; no command of ours has this name.
pub const ARGUMENT: &str = "--exec-stub";

/// Where programs are looked for if there is no PATH, as by execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The wrapper's half.
#[derive(Debug)]
pub(super) struct ExecStub(OwnedFd);

impl ExecStub {
    /// A gate, what starts a process in it that is to execute the program, and that process's standard input
    /// until then.
    ///
    /// # Errors
    /// EMFILE and ENFILE, `socketpair(2)`.
    pub(super) fn new(name: &OsStr, arguments: &[OsString]) -> io::Result<(Self, Command, Stdio)> {
        let (line, other_end) = fd_channel::pair()?;
        let mut command = fd_channel::helper(ARGUMENT);
        command.arg(name).args(arguments);
        Ok((Self(line), command, Stdio::from(other_end)))
    }

    /// Lets the process through, with our own standard input, and returns once it has executed the program. Should
    /// somebody kill it before, that is its exit as any other.
    ///
    /// # Errors
    /// Those of `execve(2)`: then the process ends by itself.
    pub(super) fn open(self) -> io::Result<()> {
        match fd_channel::hand_over(&self.0, io::stdin().as_fd()) {
            // It is dead already.
            Ok(()) | Err(Errno::PIPE) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut word = [0; size_of::<i32>()];
        loop {
            match recv(&self.0, &mut word[..], RecvFlags::empty()) {
                // The line was closed, by the exec as a rule.
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(()),
                Ok(_) => return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(word))),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The other half: waits for the word of the wrapper, and executes the program. All signals are blocked
/// since main's first line; one that comes meanwhile meets the process right before the program begins.
///
/// Returns its exit code, if the program was not executed.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let Ok(line) = io::stdin().as_fd().try_clone_to_owned() else {
        return 1;
    };
    let errno = match fd_channel::receive(&line) {
        Ok(Some(stdin)) => execute(&stdin, arguments),
        // The wrapper has died: so nothing begins.
        Ok(None) => return 1,
        Err(errno) => errno,
    };
    // Whoever would read it may have died.
    let _ = send(
        &line,
        &errno.raw_os_error().to_ne_bytes(),
        SendFlags::NOSIGNAL,
    );
    1
}

/// Becomes the program; why it did not.
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
    // Rust's runtime ignores SIGPIPE, and that would outlive the exec. A handler does not: exec makes it the
    // default, as it is for a process that was spawned directly.
    let piped = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGPIPE, piped) {
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
        // Not execvp(3): it hands scripts without a #! line to a shell, and posix_spawnp(3) does not.
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

/// The files that a program's name may mean, in the order in which posix_spawnp(3) tries them.
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
            "an empty one is the current directory"
        );
        assert_eq!(found("sh", None), ["/bin/sh", "/usr/bin/sh"]);
        assert_eq!(found("", Some("/a")), [""; 0]);
    }

    #[test]
    fn a_gate_whose_process_is_gone_is_open() {
        let (gate, _command, stdin) = ExecStub::new(OsStr::new("true"), &[]).unwrap();
        drop(stdin);
        gate.open().unwrap();
    }
}
