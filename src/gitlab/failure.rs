//! An exit as Go's `os/exec` describes it.
//!
//! Owns the text of `failureReason`. It never decides the outcome of an exit.

use crate::lifecycle::Exit;

/// The names of Go's `syscall.Signal` on Linux, by number from 1.
const SIGNAL_NAMES: [&str; 31] = [
    "hangup",
    "interrupt",
    "quit",
    "illegal instruction",
    "trace/breakpoint trap",
    "aborted",
    "bus error",
    "floating point exception",
    "killed",
    "user defined signal 1",
    "segmentation fault",
    "user defined signal 2",
    "broken pipe",
    "alarm clock",
    "terminated",
    "stack fault",
    "child exited",
    "continued",
    "stopped (signal)",
    "stopped",
    "stopped (tty input)",
    "stopped (tty output)",
    "urgent I/O condition",
    "CPU time limit exceeded",
    "file size limit exceeded",
    "virtual timer expired",
    "profiling timer expired",
    "window changed",
    "I/O possible",
    "power failure",
    "bad system call",
];

/// The text of Go's `ProcessState::String`: `exit status 3`, `signal: killed` or
/// `signal: quit (core dumped)`. Empty for exit code 0.
pub fn failure_reason(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => String::new(),
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal {
            number,
            core_dumped,
        } => {
            let index = usize::from(number).checked_sub(1);
            let core = if core_dumped { " (core dumped)" } else { "" };
            match index.and_then(|index| SIGNAL_NAMES.get(index)) {
                Some(name) => format!("signal: {name}{core}"),
                // Go has no names for real-time signals either.
                None => format!("signal: signal {number}{core}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn killed_by(number: u8, core_dumped: bool) -> String {
        failure_reason(Exit::Signal {
            number,
            core_dumped,
        })
    }

    #[test]
    fn only_exit_code_0_has_no_reason() {
        assert_eq!(failure_reason(Exit::Code(0)), "");
        for code in 1..=u8::MAX {
            assert_eq!(
                failure_reason(Exit::Code(code)),
                format!("exit status {code}")
            );
        }
    }

    #[test]
    fn signals_have_the_names_of_go() {
        assert_eq!(killed_by(3, true), "signal: quit (core dumped)");
        assert_eq!(killed_by(9, false), "signal: killed");
        assert_eq!(killed_by(15, false), "signal: terminated");
        assert_eq!(killed_by(31, true), "signal: bad system call (core dumped)");
        assert_eq!(killed_by(32, false), "signal: signal 32");
        assert_eq!(killed_by(64, false), "signal: signal 64");
    }
}
