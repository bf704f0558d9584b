//! Facts about our own process, and settings of it.
//!
//! Owns what is read from `/proc/self` at the start and what is set by prctl(2). It never touches
//! limits, umask or anything else that the wrapped process would inherit.

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior};

use crate::signal::Signal;

/// The signals that were ignored when we were started, from SigIgn in proc_pid_status(5). Where there
/// is no `/proc`, as in a bare root, none is taken to be: the usual case.
pub fn ignored_at_start() -> Vec<Signal> {
    std::fs::read_to_string("/proc/self/status")
        .map(|status| ignored_in(&status))
        .unwrap_or_default()
}

/// Keeps our memory, which may hold secrets of webhooks, from other processes of the same user and
/// from core dumps. The wrapped process is not affected: exec resets it.
pub fn forbid_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "memory stays readable for processes of the same user");
    }
}

/// How many descriptors we may have open, the soft `RLIMIT_NOFILE` of getrlimit(2). `None`: no limit.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The name of this host, `uname(2)`.
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
    fn the_mask_of_ignored_signals_is_read_bit_by_bit() {
        let status = "Name:\tx\nSigBlk:\tffff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        let names: Vec<_> = ignored_in(status).iter().map(|s| s.name()).collect();
        assert_eq!(names, ["HUP", "PIPE"]);
        assert_eq!(ignored_in("no such line"), []);
    }
}
