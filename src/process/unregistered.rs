//! A process that was forked but never registered: async-process drops its handle without ending it
//! when `pidfd_open(2)` or `epoll_ctl(2)` fails right after the fork.
//!
//! Owns finding, killing and reaping it. It never touches a process that another spawn has
//! returned.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Units of `starttime` and of `/proc/uptime` per second: USER_HZ, proc_pid_stat(5).
const TICKS: f64 = 100.0;

/// Kills and reaps the process that a failed spawn has left behind; whether there was one.
///
/// It is a child of ours that leads a process group in our session, started after `since` and is
/// not `known`. Needs `/proc`; without it none is found.
pub(super) fn discard(since: Instant, known: Option<i32>) -> bool {
    let Some(pid) = find(since, known) else {
        return false;
    };
    kill_and_reap(pid);
    true
}

/// Kills and reaps a child that was not reaped yet, so that the number is still its own.
pub(super) fn kill_and_reap(pid: i32) {
    let pid = Pid::from_raw(pid);
    if let Err(error) = kill(pid, Signal::SIGKILL) {
        tracing::error!(%pid, %error, "a process could not be killed after a failed start");
        return;
    }
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::error!(%pid, %error, "a process could not be reaped after a failed start");
                return;
            }
            Ok(_) => return,
        }
    }
}

fn find(since: Instant, known: Option<i32>) -> Option<i32> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
    // One tick for the rounding of each side.
    let margin = Duration::from_secs_f64(2.0 / TICKS);
    let earliest = (uptime - (since.elapsed() + margin).as_secs_f64()) * TICKS;
    let session = nix::unistd::getsid(None).ok()?.as_raw();
    let own = i32::try_from(std::process::id()).ok()?;
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| known != Some(*pid))
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let started = start_of_leader(&stat, pid, own, session)?;
            (started >= earliest).then_some((pid, started))
        })
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(pid, _)| pid)
}

/// When the process started, in ticks, if it is a child of `parent` that leads a group in
/// `session`.
fn start_of_leader(stat: &str, pid: i32, parent: i32, session: i32) -> Option<f64> {
    // The name is in parentheses and may contain parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    let matches = (number(1)?, number(2)?, number(3)?) == (parent, pid, session);
    fields.get(19)?.parse().ok().filter(|_| matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_that_leads_a_group_in_the_session_matches() {
        let stat = "12 (a) b) S 7 12 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(start_of_leader(stat, 12, 7, 5), Some(4711.0));
        assert_eq!(start_of_leader(stat, 12, 8, 5), None, "another parent");
        assert_eq!(start_of_leader(stat, 12, 7, 6), None, "another session");
        assert_eq!(start_of_leader(stat, 13, 7, 5), None, "not the leader");
        assert_eq!(start_of_leader("", 12, 7, 5), None);
    }
}
