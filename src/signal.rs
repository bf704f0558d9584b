//! The standard signals of Linux, by name and number.
//!
//! Owns the [`Signal`] type and its text form. It never sends, catches or blocks one. Real-time
//! signals are absent: async-signal cannot catch them, and no known program drains on one.

use std::fmt;
use std::str::FromStr;

/// A standard signal, `signal(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// Names by number from 1, as on x86, ARM and RISC-V.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Numbers of the forwarded signals: HUP, INT, QUIT, USR1, USR2, TERM, CONT, TSTP, TTIN, TTOU,
/// WINCH.
///
/// Not forwarded: signals that a program causes itself (ABRT, ALRM, BUS, CHLD, FPE, ILL, IO, PIPE,
/// PROF, SEGV, SYS, TRAP, URG, VTALRM, XCPU, XFSZ), KILL and STOP, which cannot be caught, and PWR
/// and STKFLT, which async-signal does not know.
const FORWARDED: [u8; 11] = [1, 2, 3, 10, 12, 15, 18, 20, 21, 22, 28];

impl Signal {
    /// Hangup, sent by a terminal that closes and by `systemctl reload`.
    pub const HUP: Self = Self(1);
    /// Interrupt, sent by the terminal on Ctrl-C.
    pub const INT: Self = Self(2);
    /// Quit, sent by the terminal on Ctrl-\; gitlab-runner finishes its jobs and exits.
    pub const QUIT: Self = Self(3);
    /// Kill, sent by the OOM killer and after a stop timeout; cannot be caught.
    pub const KILL: Self = Self(9);
    /// Termination, sent by systemd, Docker and Kubernetes to stop a service.
    pub const TERM: Self = Self(15);
    /// Continue if stopped, sent by a shell's `fg` and `bg`.
    pub const CONT: Self = Self(18);
    /// Terminal stop, sent by the terminal on Ctrl-Z.
    pub const TSTP: Self = Self(20);

    /// The signal with this number, from 1 to 31.
    pub fn from_number(number: i32) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (1..=31).contains(&number).then_some(Self(number))
    }

    /// The signal's number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// The signal's name without `SIG`.
    pub fn name(self) -> &'static str {
        &self.full_name()[3..]
    }

    /// The signal's name, such as `SIGTERM`.
    pub fn full_name(self) -> &'static str {
        NAMES[usize::from(self.0) - 1]
    }

    /// All standard signals, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=31).map(Self)
    }

    /// The signals that the wrapper catches and forwards.
    pub fn forwarded() -> impl Iterator<Item = Self> {
        FORWARDED.into_iter().map(Self)
    }

    /// Whether the wrapper catches and forwards it.
    pub fn is_forwarded(self) -> bool {
        FORWARDED.contains(&self.0)
    }

    /// Whether it asks the wrapper itself to exit: TERM, INT and QUIT.
    pub fn is_stop(self) -> bool {
        matches!(self, Self::TERM | Self::INT | Self::QUIT)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}

/// A text that names no standard signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no standard signal is called {0:?}; write a name such as TERM or SIGTERM, or a number from 1 to 31"
)]
pub struct UnknownSignal(String);

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Accepts `TERM`, `SIGTERM`, `sigterm` and `15`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSignal(text.to_owned());
        // The integer parser would accept a plus sign.
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| unknown())?;
            return Self::from_number(number).ok_or_else(unknown);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::all()
            .find(|signal| signal.name() == name)
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_parses_from_its_name_and_its_number() {
        for signal in Signal::all() {
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(signal.name().to_lowercase().parse(), Ok(signal));
            assert_eq!(signal.number().to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_advice() {
        for text in ["", "0", "32", "+15", "-1", "TERMS", "SIG", "RTMIN", "300"] {
            let error = text.parse::<Signal>().unwrap_err();
            assert!(error.to_string().contains("SIGTERM"), "{error}");
        }
    }
}
