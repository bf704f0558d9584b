//! Orphans: processes that were handed to us when their parent died.
//!
//! Owns reaping them. It never takes a status away from async-process: it looks at who has exited before
//! it takes, and stops at a process that is ours.

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};

/// Reaps every orphan that has exited, up to the first exited process of `ours`. To be called on SIGCHLD,
/// and again once one of ours has been waited for: until then it hides those behind it.
///
/// Returns how many were reaped.
pub fn reap_orphans(ours: &[i32]) -> usize {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut reaped = 0;
    loop {
        let orphan = match waitid(Id::All, look) {
            Ok(status) => match status.pid() {
                Some(pid) if !ours.contains(&pid.as_raw()) => pid,
                Some(_) | None => return reaped,
            },
            Err(Errno::EINTR) => continue,
            Err(_) => return reaped,
        };
        match waitpid(orphan, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return reaped,
            // A status that nix cannot name (a real-time signal) is an error here, but it was taken.
            Ok(_) | Err(Errno::EINVAL) => reaped += 1,
            Err(Errno::EINTR) => {}
            Err(_) => return reaped,
        }
    }
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
