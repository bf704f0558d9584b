//! Facts about the wrapper's own process, and its dumpable flag.
//!
//! Owns the reads of `/proc/self` and of limits. It never changes limits, umask or any other
//! attribute that the wrapped process would inherit.

use std::fs::File;
use std::io::Read;

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior};

use crate::signal::Signal;

/// The signals that the launcher left ignored: SigIgn in proc_pid_status(5). Empty without `/proc`.
pub fn ignored_at_start() -> Vec<Signal> {
    // The file is at most a page: one read is enough.
    let mut status = Vec::with_capacity(8192);
    match File::open("/proc/self/status").and_then(|mut file| file.read_to_end(&mut status)) {
        Ok(_) => ignored_in(&String::from_utf8_lossy(&status)),
        Err(_) => Vec::new(),
    }
}

/// Hides our memory, which may hold secrets of webhooks, from other processes of the same user and
/// from core dumps, PR_SET_DUMPABLE(2const). Exec resets the flag, so the wrapped process is
/// unaffected.
pub fn forbid_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "memory stays readable for processes of the same user");
    }
}

/// Maximum open descriptors: the soft RLIMIT_NOFILE of getrlimit(2); `None` is unlimited.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Descriptors that can still be opened. Since Linux 6.2 the size of `/proc/self/fd` is the number
/// of open ones, proc_pid_fd(5); `None` on older kernels.
pub fn free_descriptors() -> Option<u64> {
    let open = rustix::fs::stat("/proc/self/fd").ok()?.st_size;
    let open = u64::try_from(open).ok().filter(|open| *open > 0)?;
    Some(descriptor_limit().unwrap_or(u64::MAX).saturating_sub(open))
}

/// The node name of `uname(2)`.
pub fn hostname() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

fn ignored_in(status: &str) -> Vec<Signal> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    Signal::all()
        .filter(|signal| mask & (1 << (signal.number() - 1)) != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigign_lists_one_signal_per_bit() {
        let status = "Name:\tx\nSigBlk:\tffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let names: Vec<_> = ignored_in(status).iter().map(|s| s.name()).collect();
        assert_eq!(names, ["HUP", "PIPE"]);
        assert_eq!(ignored_in("no such line"), []);
    }
}
