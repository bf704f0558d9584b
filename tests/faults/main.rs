//! System calls that fail under the wrapper, injected with strace(1): the wrapper neither hangs nor
//! leaves a process behind, and reports what failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod limits;
mod pidfds;
mod seccomp;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
mod words;

use std::process::Command;

use support::{Setup, setup};

/// A wrapper under strace, with these injections (`pidfd_open:error=ENOSYS:when=2`).
fn injected(faults: &[&str], options: &[&str], command: &[&str]) -> Setup {
    setup(options, command).replace(|wrapper| traced(faults, &["-o", "/dev/null"], wrapper))
}

/// The command line of strace(1) with these injections and options of its own.
fn traced(faults: &[&str], options: &[&str], wrapper: &Command) -> Command {
    let mut strace = Command::new("strace");
    strace.arg("-f").args(options);
    let calls: Vec<_> = faults
        .iter()
        .map(|f| f.split(':').next().unwrap())
        .collect();
    strace.arg("-e").arg(format!("trace={}", calls.join(",")));
    for fault in faults {
        strace.arg("-e").arg(format!("inject={fault}"));
    }
    strace.arg(wrapper.get_program()).args(wrapper.get_args());
    strace.env_remove("PROCESS_WRAPPER_ADDRESS");
    strace
}
