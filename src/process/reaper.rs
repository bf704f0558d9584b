//! The reaper of orphans: descendants whose parent died and that the kernel reparented to the
//! wrapper.
//!
//! Owns reaping them. It never takes a status from async-process: it peeks at the next zombie
//! (WNOWAIT) and stops at a process that the wrapper spawned.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// Maximum orphans per call: a fork bomb must not starve the other tasks.
const BATCH: u64 = 256;

/// Result of [`reap_orphans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Number of reaped orphans.
    pub count: u64,
    /// Whether the batch was full, so that the caller should call again.
    pub more: bool,
}

/// Reaps exited orphans up to the first exited process of `ours`.
///
/// Call it on SIGCHLD, and again once a process of `ours` has been waited for: until then its
/// zombie hides the zombies behind it, `waitid(2)`.
pub fn reap_orphans(ours: &[i32]) -> Reaped {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut count = 0;
    while count < BATCH {
        let reaped = match waitid(Id::All, look) {
            Ok(status) => match status.pid() {
                Some(pid) if !ours.contains(&pid.as_raw()) => u64::from(reap(pid)),
                Some(_) | None => 0,
            },
            // Killed by a real-time signal: nix cannot represent it and drops the pid.
            Err(Errno::EINVAL) => reap_from_proc(Path::new("/proc"), ours),
            Err(Errno::EINTR) => continue,
            Err(_) => 0,
        };
        if reaped == 0 {
            return Reaped { count, more: false };
        }
        count += reaped;
    }
    Reaped { count, more: true }
}

/// Reaps one zombie; whether it existed.
fn reap(pid: Pid) -> bool {
    loop {
        return match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => false,
            // nix cannot represent the status, but the wait has taken it.
            Ok(_) | Err(Errno::EINVAL) => true,
            Err(Errno::EINTR) => continue,
            Err(_) => false,
        };
    }
}

/// Reaps all our zombies that are not in `ours`, found through proc_pid_stat(5). Slow with many
/// processes, but needed only after a death by a real-time signal. A `/proc` of another pid
/// namespace does no harm: waitpid(2) takes only our children.
fn reap_from_proc(proc: &Path, ours: &[i32]) -> u64 {
    let Ok(entries) = std::fs::read_dir(proc) else {
        return 0;
    };
    let own = std::process::id();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| !ours.contains(pid))
        .filter(|pid| {
            std::fs::read_to_string(proc.join(pid.to_string()).join("stat"))
                .is_ok_and(|stat| is_zombie_of(own, &stat))
        })
        .map(|pid| u64::from(reap(Pid::from_raw(pid))))
        .sum()
}

fn is_zombie_of(parent: u32, stat: &str) -> bool {
    // The name is in parentheses and may contain parentheses.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = fields.split_ascii_whitespace();
    fields.next() == Some("Z") && fields.next().and_then(|ppid| ppid.parse().ok()) == Some(parent)
}

/// Makes the kernel reparent orphaned descendants to us, which it does for PID 1 anyway.
pub fn become_subreaper() {
    let own = rustix::process::getpid();
    if own.is_init() {
        return;
    }
    if let Err(error) = rustix::process::set_child_subreaper(Some(own)) {
        tracing::warn!(%error, "orphans of the process will not be reaped here");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_recognised_by_state_and_parent_whatever_its_name() {
        assert!(is_zombie_of(7, "12 (sh) Z 7 12 12 0"));
        assert!(is_zombie_of(7, "12 (a) S 1 (b) Z 7 12"));
        assert!(!is_zombie_of(7, "12 (sh) S 7 12 12 0"));
        assert!(!is_zombie_of(7, "12 (sh) Z 8 12 12 0"));
        assert!(!is_zombie_of(7, ""));
        assert!(!is_zombie_of(7, "12 (Z 7"));
    }
}
