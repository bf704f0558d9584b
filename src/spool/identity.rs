//! The identity of a process, and whether that process is still alive.
//!
//! Owns the reads of `/proc`. It never signals a process, and never mistakes a new process with an
//! old pid for it.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::record::ProcessIdentity;

/// Identifies the living or unreaped process with this pid. Without `/proc` parts of the identity
/// are empty, and the process counts as gone later.
pub fn identify(pid: i32) -> ProcessIdentity {
    ProcessIdentity {
        boot_id: boot_id(),
        pid_namespace: pid_namespace(),
        pid,
        start_time: start_time(pid).unwrap_or_default(),
    }
}

/// A pidfd of the process, if it is still alive or unreaped. Otherwise it is gone, or it cannot be
/// told: then it counts as gone.
pub fn find(process: &ProcessIdentity) -> Option<OwnedFd> {
    let is_known = !process.boot_id.is_empty() && process.start_time != 0;
    if !is_known || process.boot_id != boot_id() || process.pid_namespace != pid_namespace() {
        return None;
    }
    // First the descriptor, then the comparison: the pid cannot change hands in between.
    let pidfd = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()?;
    (start_time(process.pid) == Some(process.start_time)).then_some(pidfd)
}

fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn pid_namespace() -> u64 {
    // The link of another process of the same user needs ptrace access; our own does not.
    rustix::fs::stat("/proc/thread-self/ns/pid").map_or(0, |found| found.st_ino)
}

fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
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
        assert!(find(&identity).is_some());
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
            assert!(find(&other).is_none(), "{other:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(find(&identity).is_none());
    }
}
