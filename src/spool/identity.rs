//! The identity of a process, and whether that process is still alive.
//!
//! Owns the reads of `/proc`. It never signals a process, and never mistakes a new process with an
//! old pid for it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::record::ProcessIdentity;

/// Identifies the living or unreaped process with this pid. Without `/proc` parts of the identity
/// are empty, and the process counts as gone later.
pub fn identify(pid: i32) -> ProcessIdentity {
    ProcessIdentity {
        boot_id: read_boot_id().unwrap_or_default(),
        pid_namespace: pid_namespace(),
        pid,
        start_time: read_start_time(pid).ok().flatten().unwrap_or_default(),
    }
}

/// A pidfd of the process, if it is still alive or unreaped. Otherwise it is gone, or `/proc` does
/// not tell: then it counts as gone.
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM, which say nothing of the process; pidfd_open(2), open(2).
pub fn find(process: &ProcessIdentity) -> io::Result<Option<OwnedFd>> {
    let is_known = !process.boot_id.is_empty() && process.start_time != 0;
    if !is_known || pid_namespace() != process.pid_namespace {
        return Ok(None);
    }
    if known(read_boot_id())?.as_ref() != Some(&process.boot_id) {
        return Ok(None);
    }
    let Some(pid) = Pid::from_raw(process.pid) else {
        return Ok(None);
    };
    // First the descriptor, then the comparison: the pid cannot change hands in between.
    let pidfd = known(pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from))?;
    let start_time = known(read_start_time(process.pid))?.flatten();
    Ok(pidfd.filter(|_| start_time == Some(process.start_time)))
}

/// `None` if the error tells that there is nothing; the error if it tells only of a shortage.
fn known<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Err(error),
            Some(_) | None => Ok(None),
        },
    }
}

fn read_boot_id() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

fn pid_namespace() -> u64 {
    // The link of another process of the same user needs ptrace access; our own does not.
    rustix::fs::stat("/proc/thread-self/ns/pid").map_or(0, |found| found.st_ino)
}

fn read_start_time(pid: i32) -> io::Result<Option<u64>> {
    let stat = std::fs::read(format!("/proc/{pid}/stat"))?;
    Ok(parse_start_time(&stat))
}

/// Field 22 of `/proc/PID/stat`, proc_pid_stat(5). Field 2 is the name in parentheses, which may
/// hold spaces and parentheses itself.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    // The first of these is field 3.
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let fields = (3..=52).map(|field| field.to_string()).collect::<Vec<_>>();
        for name in ["sh", "a b", ") R 1 2 3", "((", "\u{e4}"] {
            let stat = format!("7 ({name}) {}\n", fields.join(" "));
            assert_eq!(parse_start_time(stat.as_bytes()), Some(22), "{name}");
        }
        for stat in ["", "7 (sh", "7 (sh) S 1 2"] {
            assert_eq!(parse_start_time(stat.as_bytes()), None);
        }
    }

    #[test]
    fn a_process_is_found_until_it_is_reaped_and_no_other_is_mistaken_for_it() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let identity = identify(pid);
        assert!(find(&identity).unwrap().is_some());
        let others = [
            ProcessIdentity {
                start_time: identity.start_time + 1,
                ..identity.clone()
            },
            ProcessIdentity {
                boot_id: "another boot".to_owned(),
                ..identity.clone()
            },
            ProcessIdentity {
                pid_namespace: 1,
                ..identity.clone()
            },
            ProcessIdentity {
                pid: 0,
                ..identity.clone()
            },
        ];
        for other in others {
            assert!(find(&other).unwrap().is_none(), "{other:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(find(&identity).unwrap().is_none());
    }

    #[test]
    fn a_shortage_is_not_taken_for_the_end_of_a_process() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(known::<()>(Err(errno.into())).is_err(), "{errno}");
        }
        for errno in [Errno::SRCH, Errno::NOENT, Errno::ACCESS, Errno::INVAL] {
            assert_eq!(known::<()>(Err(errno.into())).unwrap(), None, "{errno}");
        }
    }
}
