//! The live processes of this machine, by `proc(5)`.
//!
//! Owns the search for processes that a round left behind. A round marks its processes with a
//! variable in their environment, which is passed on to all below them.

use std::path::PathBuf;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, set_child_subreaper, setrlimit};

/// The variable with the mark.
pub(crate) const MARK: &str = "CHAOS_ROUND";

/// Prepares this process: the orphans of a killed wrapper become our children, and no process dumps
/// core.
pub(crate) fn adopt() {
    set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).unwrap();
}

/// Every living process with this mark.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    pids()
        .filter(|pid| {
            let environment = std::fs::read(file(*pid, "environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|pair| pair == wanted.as_bytes())
        })
        .collect()
}

/// The children of a process that have ended and were not waited for.
pub(crate) fn zombies_of(parent: i32) -> Vec<i32> {
    children_of(parent)
        .into_iter()
        .filter(|pid| state(*pid) == Some('Z'))
        .collect()
}

pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// `R`, `S`, `T`, `Z` and so on; `None` if there is no such process.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(file(pid, "stat")).ok()?;
    // The name before it may hold anything, closing parentheses included.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.chars().next()
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(file(pid, "fd")).map_or(0, Iterator::count)
}

/// Reaps one orphan of ours, if it has ended.
pub(crate) fn reap(pid: i32) {
    // Not a child of ours, or not ended: then there is nothing to do.
    let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
}

/// Reaps what has come to us over time. Wrappers are not among them: their names are ours to wait
/// for.
pub(crate) fn reap_orphans() {
    for pid in children_of(i32::try_from(std::process::id()).unwrap()) {
        let name = std::fs::read_to_string(file(pid, "comm")).unwrap_or_default();
        if state(pid) == Some('Z') && ["sh", "sleep"].contains(&name.trim()) {
            reap(pid);
        }
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn file(pid: i32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}
