//! The notifications for a service manager, and when they are due.
//!
//! Owns the order of sd_notify(3) assignments. It never sends one and reads no clock.

use std::time::Duration;

use crate::human_duration::HumanDuration;
use crate::lifecycle::{Exit, Outcome, State};

/// One assignment of sd_notify(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyState {
    /// READY=1: the process is started and the control API listens, or a reload is forwarded.
    Ready,
    /// RELOADING=1 with the time of now, MONOTONIC_USEC=. `Type=notify-reload` waits for it, and
    /// then for a READY=1 in a later datagram: in one datagram the last of both counts.
    Reloading,
    /// STATUS=: one line for people.
    Status(String),
    /// STOPPING=1: the wrapper itself stops. systemd then arms its stop timeout.
    Stopping,
    /// EXTEND_TIMEOUT_USEC=: restarts the stop timeout with this length.
    ExtendTimeout(Duration),
    /// WATCHDOG=1.
    Watchdog,
}

/// Interval at which a shutdown is notified again. Each extension outlasts two intervals, so one
/// may be missed.
pub const TICK: Duration = Duration::from_secs(30);
const EXTENSION: Duration = Duration::from_secs(90);

/// The facts that the notifications come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The state of the process.
    pub state: State,
    /// Its exit, once it is gone.
    pub exit: Option<Exit>,
    /// How its shutdown went, once it is gone.
    pub outcome: Option<Outcome>,
    /// Time since the shutdown request.
    pub shutdown_elapsed: Option<Duration>,
    /// How many HUPs the wrapper has received.
    pub hangups: u64,
    /// Whether the wrapper itself was told to stop. A drain over the API is no stop: systemd would
    /// arm its timeout and kill the jobs.
    pub told_to_stop: bool,
}

impl ServiceStatus {
    /// Whether it is notified again after [`TICK`] without a change.
    pub fn is_under_way(&self) -> bool {
        self.told_to_stop || self.state == State::ShuttingDown
    }

    fn status(&self) -> String {
        match (self.state, self.exit.zip(self.outcome)) {
            (State::Running, _) => "running".to_owned(),
            (State::ShuttingDown, _) => {
                let elapsed =
                    Duration::from_secs(self.shutdown_elapsed.unwrap_or_default().as_secs());
                format!("shutting down for {}", HumanDuration(elapsed))
            }
            (State::Gone, Some((exit, outcome))) => {
                format!("gone: the process {exit} ({outcome})")
            }
            (State::Gone, None) => "gone".to_owned(),
        }
    }
}

/// Remembers the notifications sent so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifier {
    status: Option<String>,
    hangups: u64,
    stopping: bool,
}

impl Notifier {
    /// Whether a reload is to be notified before what is due. Only the process knows when it has
    /// reloaded, so the reload ends for the manager once HUP is forwarded. It also ends where no
    /// process is left: the manager would wait for it.
    pub fn reloads(&self, snapshot: &ServiceStatus) -> bool {
        self.status.is_some() && snapshot.hangups != self.hangups && !snapshot.told_to_stop
    }

    /// The assignments that are due. READY is in the first datagram, and ends a reload. STOPPING is
    /// sent once, and only when the wrapper itself stops.
    pub fn due(&mut self, snapshot: &ServiceStatus) -> Vec<NotifyState> {
        let mut states = Vec::new();
        if self.status.is_none() || self.reloads(snapshot) {
            states.push(NotifyState::Ready);
        }
        self.hangups = snapshot.hangups;
        let status = snapshot.status();
        if self.status.as_ref() != Some(&status) {
            states.push(NotifyState::Status(status.clone()));
            self.status = Some(status);
        }
        if snapshot.told_to_stop {
            if !self.stopping {
                states.push(NotifyState::Stopping);
                self.stopping = true;
            }
            states.push(NotifyState::ExtendTimeout(EXTENSION));
        }
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: ServiceStatus = ServiceStatus {
        state: State::Running,
        exit: None,
        outcome: None,
        shutdown_elapsed: None,
        hangups: 0,
        told_to_stop: false,
    };

    fn draining(seconds: u64, told_to_stop: bool) -> ServiceStatus {
        ServiceStatus {
            state: State::ShuttingDown,
            shutdown_elapsed: Some(Duration::from_secs(seconds)),
            told_to_stop,
            ..RUNNING
        }
    }

    fn status(text: &str) -> NotifyState {
        NotifyState::Status(text.to_owned())
    }

    #[test]
    fn ready_comes_first_and_once() {
        let mut notifier = Notifier::default();
        assert_eq!(
            notifier.due(&RUNNING),
            [NotifyState::Ready, status("running")]
        );
        assert_eq!(notifier.due(&RUNNING), []);
    }

    #[test]
    fn a_reload_ends_once_it_is_forwarded_and_none_begins_in_a_stop() {
        let mut notifier = Notifier::default();
        let early = ServiceStatus {
            hangups: 1,
            ..RUNNING
        };
        assert!(!notifier.reloads(&early));
        notifier.due(&early);
        assert!(!notifier.reloads(&early));
        let reload = ServiceStatus {
            hangups: 3,
            ..RUNNING
        };
        assert!(notifier.reloads(&reload));
        assert_eq!(notifier.due(&reload), [NotifyState::Ready]);
        assert!(!notifier.reloads(&reload));
        let stop = ServiceStatus {
            hangups: 4,
            ..draining(0, true)
        };
        assert!(!notifier.reloads(&stop));
        assert!(!notifier.due(&stop).contains(&NotifyState::Ready));
    }

    #[test]
    fn a_drain_over_the_api_is_not_a_stop() {
        let mut notifier = Notifier::default();
        notifier.due(&RUNNING);
        assert_eq!(
            notifier.due(&draining(0, false)),
            [status("shutting down for 0s")]
        );
        let later = notifier.due(&draining(3_700, false));
        assert_eq!(later, [status("shutting down for 1h1m40s")]);
        let gone = ServiceStatus {
            state: State::Gone,
            exit: Some(Exit::Code(3)),
            outcome: Some(Outcome::Failed),
            ..draining(4_000, false)
        };
        assert_eq!(
            notifier.due(&gone),
            [status("gone: the process exited with code 3 (failed)")]
        );
        assert!(!gone.is_under_way());
    }

    #[test]
    fn a_stop_is_notified_once_and_extends_the_timeout_each_time() {
        let mut notifier = Notifier::default();
        notifier.due(&RUNNING);
        let extension = NotifyState::ExtendTimeout(EXTENSION);
        let first = notifier.due(&draining(0, true));
        assert_eq!(
            first,
            [
                status("shutting down for 0s"),
                NotifyState::Stopping,
                extension.clone()
            ]
        );
        let again = notifier.due(&draining(30, true));
        assert_eq!(again, [status("shutting down for 30s"), extension]);
        assert!(draining(30, true).is_under_way());
    }
}
