//! The pitfalls of supervision, each with real processes: the cases in which other supervisors
//! hang, lose an exit status or a signal, or leave processes behind.
//!
//! Races are swept: each at least 200 times, with no loss allowed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

// The comparison calls a webhook.
#[cfg(feature = "webhooks")]
mod comparison;
mod deadlines;
mod exits;
mod forwarding;
mod inherited;
mod orphans;
mod recycled;
mod shortage;
mod signals;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod wrapper_death;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use support::sweep;

/// Starts the wrapper through a program that prepares its world and executes it.
fn launched_by(launcher: &[&str]) -> impl FnOnce(&mut Command) {
    let launcher: Vec<String> = launcher.iter().map(|&word| word.to_owned()).collect();
    move |command| {
        let mut launched = Command::new(&launcher[0]);
        launched
            .args(&launcher[1..])
            .arg(command.get_program())
            .args(command.get_args())
            .env_remove("PROCESS_WRAPPER_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        *command = launched;
    }
}

/// The children of a process, from proc_pid_stat(5), with their state.
fn children(parent: i32) -> Vec<(i32, char)> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((pid, rest)) = stat.split_once(" (") else {
            continue;
        };
        let fields: Vec<_> = rest
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        if fields[1] == parent.to_string() {
            children.push((pid.parse().unwrap(), fields[0].chars().next().unwrap()));
        }
    }
    children
}

/// A file with this mode, for an attempt to execute it; its path.
fn program_file(folder: &Path, name: &str, text: &str, mode: u32) -> String {
    let path = folder.join(name);
    support::write_program(&path, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A field of /proc/PID/status that is a mask of signals.
fn mask(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

/// A signal's bit in the masks of proc_pid_status(5).
fn bit(signal: nix::sys::signal::Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// Whether tests may make pid namespaces here; says so loudly if not.
fn may_unshare() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        support::peers::missing("the right to make a pid namespace (root)");
    }
    root
}
