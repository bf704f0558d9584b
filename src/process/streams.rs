//! The descriptors that the launcher left open for the process: the wrapper's copies of them.
//!
//! Owns giving the copies up, so that a pipe ends and a lock is released when the process is gone.
//! It never touches stderr, which is the log, nor a descriptor that the wrapper opened itself.

use std::fs;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Errno;
use rustix::stdio::{dup2_stdin, dup2_stdout};

/// `O_CLOEXEC` in the `flags` of proc_pid_fdinfo(5).
const CLOSE_ON_EXEC: u32 = rustix::fs::OFlags::CLOEXEC.bits();

/// The open descriptors from 3 on that the launcher passed to the wrapper.
#[derive(Debug)]
pub struct Inherited(Vec<RawFd>);

impl Inherited {
    /// Finds them by `/proc`, and none without it. Call it at the start and before
    /// `PR_SET_DUMPABLE`, which makes part of `/proc/self` unreadable.
    ///
    /// A descriptor that survived our exec is not close-on-exec; one of ours is.
    pub fn find() -> Self {
        let Ok(entries) = fs::read_dir("/proc/self/fd") else {
            return Self(Vec::new());
        };
        let numbers = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok())
            .filter(|number| *number > 2)
            .filter(|number| {
                fs::read_to_string(format!("/proc/self/fdinfo/{number}"))
                    .is_ok_and(|info| flags_of(&info).is_some_and(|f| f & CLOSE_ON_EXEC == 0))
            });
        Self(numbers.collect())
    }

    /// Closes them. Call it once the process has its copies.
    pub fn close(self) {
        for number in self.0 {
            // Open since the start, so the number is still theirs.
            let _ = nix::unistd::close(number);
        }
    }
}

/// The `flags` line, which is octal.
fn flags_of(info: &str) -> Option<u32> {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

/// Gives up stdin and stdout, which `run` itself never uses. `placeholder` takes their numbers, so
/// that no later descriptor becomes a standard stream; this needs neither `/dev` nor a free
/// descriptor.
///
/// PID 1 keeps them: the container's pipe ends with the container, and hooks write to the log
/// through `/proc/1/fd/1`.
pub fn release(placeholder: BorrowedFd<'_>) {
    if rustix::process::getpid().is_init() {
        return;
    }
    let released = retry(|| dup2_stdin(placeholder)).and(retry(|| dup2_stdout(placeholder)));
    if let Err(error) = released {
        tracing::warn!(%error, "stdin and stdout stay open until the wrapper leaves");
    }
}

fn retry(mut call: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            // Another thread is opening a descriptor, dup(2).
            Err(Errno::INTR | Errno::BUSY) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_on_exec_is_read_from_the_octal_flags() {
        let info = |flags| format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t15\n");
        assert_eq!(flags_of(&info("02100002")), Some(0o2_100_002));
        assert_ne!(flags_of(&info("02100002")).unwrap() & CLOSE_ON_EXEC, 0);
        assert_eq!(flags_of(&info("0100001")).unwrap() & CLOSE_ON_EXEC, 0);
        assert_eq!(flags_of("pos:\t0\n"), None);
    }

    #[test]
    fn a_descriptor_of_our_own_is_not_inherited() {
        let file = fs::File::open("/proc/self/status").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        assert!(!Inherited::find().0.contains(&number));
    }
}
