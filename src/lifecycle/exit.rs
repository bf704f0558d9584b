//! How a process ended.
//!
//! Owns the [`Exit`] fact and the exit status that a shell would report for it. It never waits for
//! one.

use std::fmt;

use crate::signal::Signal;

/// How a process ended, `wait(2)`.
///
/// ```
/// use process_wrapper::client::Exit;
///
/// assert_eq!(Exit::Code(3).to_string(), "exited with code 3");
/// let killed = Exit::Signal { number: 9, core_dumped: false };
/// assert_eq!(killed.to_string(), "ended by SIGKILL");
/// assert_eq!(killed.status(), 137);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It called `exit` with this code.
    Code(u8),
    /// A signal ended it.
    Signal {
        /// The signal's number: real-time signals have no `Signal`.
        number: u8,
        /// Whether a core was dumped.
        core_dumped: bool,
    },
}

impl Exit {
    /// The code for our own exit: the process's, or 128 plus the signal's number as shells report
    /// it.
    pub fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal { number, .. } => number.saturating_add(128),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal {
                number,
                core_dumped,
            } => {
                match Signal::from_number(i32::from(number)) {
                    Some(signal) => write!(f, "ended by {signal}")?,
                    None => write!(f, "ended by signal {number}")?,
                }
                if core_dumped {
                    f.write_str(" (core dumped)")?;
                }
                Ok(())
            }
        }
    }
}
