//! Orphans: processes that were handed to us when their parent died.
//!
//! Owns reaping them. It never takes a status away from async-process: it looks at who has exited before
//! it takes, and stops at a process that is ours.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// How many orphans are reaped at once: whoever makes them faster must not keep the wrapper from its work.
const BATCH: u64 = 256;

/// What one call of [`reap_orphans`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// How many orphans it reaped.
    pub count: u64,
    /// Whether it stopped before it had seen them all, so that it is to be called again.
    pub more: bool,
}

/// Reaps the orphans that have exited, up to the first exited process of `ours`. To be called on SIGCHLD,
/// and again once one of ours has been waited for: until then it hides those behind it.
pub fn reap_orphans(ours: &[i32]) -> Reaped {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut count = 0;
    while count < BATCH {
        let reaped = match waitid(Id::All, look) {
            Ok(status) => match status.pid() {
                Some(pid) if !ours.contains(&pid.as_raw()) => u64::from(reap(pid)),
                Some(_) | None => 0,
            },
            // Killed by a real-time signal: nix has no name for it and does not say whom it met.
            Err(Errno::EINVAL) => reap_by_name(Path::new("/proc"), ours),
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

/// Reaps one zombie; whether it was there.
fn reap(pid: Pid) -> bool {
    loop {
        return match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => false,
            // A status that nix cannot name is an error here, but it was taken.
            Ok(_) | Err(Errno::EINVAL) => true,
            Err(Errno::EINTR) => continue,
            Err(_) => false,
        };
    }
}

/// Reaps all zombies that are children of ours but not in `ours`, as proc_pid_stat(5) lists them. Slow
/// where there are many processes, but needed only for those who were killed in an unusual way. A `/proc`
/// of another pid namespace does no harm: waitpid(2) takes nobody but our children.
fn reap_by_name(proc: &Path, ours: &[i32]) -> u64 {
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
    // The name stands in parentheses and may hold anything, also parentheses.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let mut fields = fields.split_ascii_whitespace();
    fields.next() == Some("Z") && fields.next().and_then(|ppid| ppid.parse().ok()) == Some(parent)
}

/// Makes orphans of our descendants come to us. As PID 1 they do anyway.
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
    fn zombies_are_told_by_state_and_parent_whatever_their_name() {
        assert!(is_zombie_of(7, "12 (sh) Z 7 12 12 0"));
        assert!(is_zombie_of(7, "12 (a) S 1 (b) Z 7 12"));
        assert!(!is_zombie_of(7, "12 (sh) S 7 12 12 0"));
        assert!(!is_zombie_of(7, "12 (sh) Z 8 12 12 0"));
        assert!(!is_zombie_of(7, ""));
        assert!(!is_zombie_of(7, "12 (Z 7"));
    }
}
