//! The stages of a shutdown: drain, abort, kill.
//!
//! Owns how a signal moves a shutdown through its stages, whether the kernel takes it or not, and
//! when a stage ends. It never chooses a signal, and never looks at a process that is gone.

use std::time::Duration;

use crate::lifecycle::{Config, Exit, Outcome, SignalCause, Spacing};
use crate::signal::Signal;

/// What is known while the process is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ShutdownProgress {
    pub(super) stage: Stage,
    /// The shortest of the option and all requests.
    pub(super) kill_after: Option<Duration>,
    /// Whether the wrapper itself received a stop signal, so that it leaves once the process is
    /// gone.
    pub(super) told_to_stop: bool,
}

/// The present stage. Stages follow each other in this order; none comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// The process finishes its work.
    Drain {
        graceful: Graceful,
        /// The earliest instant that an option or a request names for the abort stage.
        force_at: Option<Duration>,
    },
    /// The process gives up its work.
    Abort {
        since: Duration,
        /// When the last signal of this stage was sent; `None` if there is none or the kernel
        /// refused it.
        last_sent: Option<Duration>,
    },
    /// The kernel ends the process.
    Kill {
        /// When the last KILL was sent; `None` if the kernel refused it.
        last_sent: Option<Duration>,
        /// Whether a signal of the abort stage was sent.
        aborted: bool,
    },
}

/// What became of the graceful signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Graceful {
    /// It waits until the process is ready, and is sent for this cause.
    AwaitsReady(SignalCause),
    /// It was not sent, or the kernel refused it.
    Unsent,
    /// It was sent, last at this time.
    Sent(Duration),
}

/// What a signal to the process means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Drain,
    Abort,
    Kill,
}

impl Meaning {
    fn unless_kill(self, signal: Signal) -> Self {
        if signal == Signal::KILL {
            Self::Kill
        } else {
            self
        }
    }
}

impl Spacing {
    /// Whether a signal that was sent last at this time may be repeated.
    pub(super) fn allow_repeat(self, now: Duration, last: Duration) -> bool {
        let at = last.checked_add(self.repeat);
        at.is_some_and(|at| at <= now)
    }
}

impl Config {
    /// The signal of the drain stage. KILL belongs to its own stage, whichever option names it.
    pub(super) fn graceful(&self) -> (Signal, Meaning) {
        (
            self.graceful_signal,
            Meaning::Drain.unless_kill(self.graceful_signal),
        )
    }

    /// The signal of the abort stage, if it has one.
    pub(super) fn forceful(&self) -> Option<(Signal, Meaning)> {
        let signal = self.forceful_signal?;
        Some((signal, Meaning::Abort.unless_kill(signal)))
    }

    /// What `sent` means to the process; `received` is the signal for which it is forwarded, if it
    /// is.
    pub(super) fn meaning(&self, sent: Signal, received: Option<Signal>) -> Option<Meaning> {
        if sent == Signal::KILL {
            Some(Meaning::Kill)
        } else if sent == self.graceful_signal {
            Some(Meaning::Drain)
        } else if sent.is_stop()
            || received.is_some_and(Signal::is_stop)
            || Some(sent) == self.forceful_signal
        {
            Some(Meaning::Abort)
        } else {
            None
        }
    }

    /// Whether `kill_after` is set although neither `force_after` nor a TERM, which platforms send
    /// to stop a service, begins the abort stage. Then KILL comes only if a caller asks for that
    /// stage.
    pub fn needs_caller_to_kill(&self) -> bool {
        let term = self.rewrites.apply(Signal::TERM);
        let ends_drain = match term.and_then(|sent| self.meaning(sent, Some(Signal::TERM))) {
            Some(Meaning::Abort | Meaning::Kill) => true,
            Some(Meaning::Drain) | None => false,
        };
        self.kill_after.is_some() && self.force_after.is_none() && !ends_drain
    }

    /// Whether `force_after` is set although the abort stage has neither a signal nor a time to
    /// KILL.
    pub fn forces_in_vain(&self) -> bool {
        self.force_after.is_some() && self.forceful_signal.is_none() && self.kill_after.is_none()
    }
}

impl Stage {
    /// The stage after a signal of this meaning was sent.
    pub(super) fn sent(self, now: Duration, meaning: Meaning) -> Self {
        match (self, meaning) {
            (Self::Drain { force_at, .. }, Meaning::Drain) => Self::Drain {
                graceful: Graceful::Sent(now),
                force_at,
            },
            (Self::Abort { .. } | Self::Kill { .. }, Meaning::Drain) => self,
            (Self::Drain { .. }, Meaning::Abort) => Self::Abort {
                since: now,
                last_sent: Some(now),
            },
            (Self::Abort { since, .. }, Meaning::Abort) => Self::Abort {
                since,
                last_sent: Some(now),
            },
            (Self::Kill { last_sent, .. }, Meaning::Abort) => Self::Kill {
                last_sent,
                aborted: true,
            },
            (Self::Drain { .. } | Self::Abort { .. } | Self::Kill { .. }, Meaning::Kill) => {
                Self::Kill {
                    last_sent: Some(now),
                    aborted: self.was_aborted(),
                }
            }
        }
    }

    /// The stage after the kernel has refused a signal of this meaning that no caller waits for: it
    /// begins, so that the next one follows in time.
    pub(super) fn refused(self, now: Duration, meaning: Meaning) -> Self {
        match (self, meaning) {
            (
                Self::Drain {
                    graceful: Graceful::AwaitsReady(_),
                    force_at,
                },
                Meaning::Drain,
            ) => Self::Drain {
                graceful: Graceful::Unsent,
                force_at,
            },
            (Self::Drain { .. }, Meaning::Abort) => Self::begin_abort(now),
            (Self::Drain { .. } | Self::Abort { .. }, Meaning::Kill) => Self::Kill {
                last_sent: None,
                aborted: self.was_aborted(),
            },
            (Self::Drain { .. }, Meaning::Drain)
            | (Self::Abort { .. }, Meaning::Drain | Meaning::Abort)
            | (Self::Kill { .. }, Meaning::Drain | Meaning::Abort | Meaning::Kill) => self,
        }
    }

    /// The abort stage before any signal of it.
    pub(super) fn begin_abort(now: Duration) -> Self {
        Self::Abort {
            since: now,
            last_sent: None,
        }
    }

    fn was_aborted(self) -> bool {
        match self {
            Self::Drain { .. } => false,
            Self::Abort { last_sent, .. } => last_sent.is_some(),
            Self::Kill { aborted, .. } => aborted,
        }
    }
}

impl ShutdownProgress {
    /// When the abort stage begins by itself, if it does: at the deadline, but not before a process
    /// that got the graceful signal can take another one. Never if neither a signal nor KILL would
    /// come of it.
    pub(super) fn force_at(self, config: &Config) -> Option<Duration> {
        if !self.can_end_a_drain(config) {
            return None;
        }
        match self.stage {
            Stage::Drain { graceful, force_at } => match graceful {
                Graceful::Sent(last) => {
                    Some(force_at?.max(last.checked_add(config.spacing.forceful)?))
                }
                Graceful::AwaitsReady(_) | Graceful::Unsent => force_at,
            },
            Stage::Abort { .. } | Stage::Kill { .. } => None,
        }
    }

    /// Whether the process gets a signal in or after an abort stage that no signal has begun.
    pub(super) fn can_end_a_drain(self, config: &Config) -> bool {
        config.forceful_signal.is_some() || self.kill_after.is_some()
    }

    /// When KILL is due, if it is; not known before the abort stage.
    pub(super) fn kill_at(self) -> Option<Duration> {
        match self.stage {
            Stage::Abort { since, .. } => since.checked_add(self.kill_after?),
            Stage::Drain { .. } | Stage::Kill { .. } => None,
        }
    }

    /// How a process that exits now has ended.
    pub(super) fn outcome(self, exit: Exit) -> Outcome {
        match self.stage {
            Stage::Kill {
                last_sent: Some(_), ..
            } => Outcome::Killed,
            Stage::Drain { .. } | Stage::Abort { .. } | Stage::Kill { .. } => {
                if self.stage.was_aborted() {
                    Outcome::Aborted
                } else if exit == Exit::Code(0) {
                    Outcome::Drained
                } else {
                    Outcome::Failed
                }
            }
        }
    }
}
