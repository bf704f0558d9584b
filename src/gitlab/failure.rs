//! The end of a process in Go's words.
//!
//! Owns the wording of `failureReason`. It never decides whether an exit was a failure in any other sense.

use crate::lifecycle::Exit;

/// What Go's `syscall.Signal` calls the signals of Linux, by number from 1.
const WORDS: [&str; 31] = [
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

/// What Go's `os/exec` says of a process that ended so: nothing after a clean exit, else `exit status 3`,
/// `signal: killed` or `signal: quit (core dumped)`.
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
            match index.and_then(|index| WORDS.get(index)) {
                Some(word) => format!("signal: {word}{core}"),
                // Real-time signals have no words in Go either.
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
    fn a_clean_exit_has_no_reason_and_every_other_has_one() {
        assert_eq!(failure_reason(Exit::Code(0)), "");
        for code in 1..=u8::MAX {
            assert_eq!(
                failure_reason(Exit::Code(code)),
                format!("exit status {code}")
            );
        }
    }

    #[test]
    fn signals_have_the_words_of_go() {
        assert_eq!(killed_by(3, true), "signal: quit (core dumped)");
        assert_eq!(killed_by(9, false), "signal: killed");
        assert_eq!(killed_by(15, false), "signal: terminated");
        assert_eq!(killed_by(31, true), "signal: bad system call (core dumped)");
        assert_eq!(killed_by(32, false), "signal: signal 32");
        assert_eq!(killed_by(64, false), "signal: signal 64");
    }
}
