//! What a service manager is told, and when.
//!
//! Owns the order of the words of sd_notify(3). It never sends one and reads no clock.

use std::time::Duration;

use crate::human_duration::HumanDuration;
use crate::lifecycle::{Exit, State};

/// One assignment of sd_notify(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyState {
    /// The process has been started and the control API stands.
    Ready,
    /// One line for people.
    Status(String),
    /// The wrapper itself is on its way out. systemd then starts to count its stop timeout.
    Stopping,
    /// Count the stop timeout anew from here, in this length.
    ExtendTimeout(Duration),
    /// We are alive.
    Watchdog,
}

/// How often what is under way is told again, and how long each time is good for: long enough to miss one.
pub const TICK: Duration = Duration::from_secs(30);
const EXTENSION: Duration = Duration::from_secs(90);

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// How far the process has come.
    pub state: State,
    /// How it ended, once it has.
    pub exit: Option<Exit>,
    /// Since when it has been asked to stop.
    pub asked_for: Option<Duration>,
    /// Whether the wrapper itself was told to stop. A drain asked for over the API is no stop: systemd would
    /// arm its timeout and kill the jobs.
    pub told_to_stop: bool,
}

impl Situation {
    /// Whether it is to be told again after [`TICK`] although nothing happened.
    pub fn is_under_way(&self) -> bool {
        self.told_to_stop || self.state == State::ShuttingDown
    }

    fn status(&self) -> String {
        match (self.state, self.exit) {
            (State::Running, _) => "running".to_owned(),
            (State::ShuttingDown, _) => {
                let elapsed = Duration::from_secs(self.asked_for.unwrap_or_default().as_secs());
                format!("shutting down for {}", HumanDuration(elapsed))
            }
            (State::Gone, Some(exit)) => format!("gone: the process {exit}"),
            (State::Gone, None) => "gone".to_owned(),
        }
    }
}

/// What has been told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifier {
    status: Option<String>,
    stopping: bool,
}

impl Notifier {
    /// The words for a situation: what has not been told yet, and what has to be told again. READY comes in
    /// the first datagram, STOPPING once, and only when the wrapper itself stops.
    pub fn words(&mut self, situation: &Situation) -> Vec<NotifyState> {
        let mut words = Vec::new();
        if self.status.is_none() {
            words.push(NotifyState::Ready);
        }
        let status = situation.status();
        if self.status.as_ref() != Some(&status) {
            words.push(NotifyState::Status(status.clone()));
            self.status = Some(status);
        }
        if situation.told_to_stop {
            if !self.stopping {
                words.push(NotifyState::Stopping);
                self.stopping = true;
            }
            words.push(NotifyState::ExtendTimeout(EXTENSION));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: Situation = Situation {
        state: State::Running,
        exit: None,
        asked_for: None,
        told_to_stop: false,
    };

    fn draining(seconds: u64, told_to_stop: bool) -> Situation {
        Situation {
            state: State::ShuttingDown,
            asked_for: Some(Duration::from_secs(seconds)),
            told_to_stop,
            ..RUNNING
        }
    }

    fn status(text: &str) -> NotifyState {
        NotifyState::Status(text.to_owned())
    }

    #[test]
    fn ready_comes_first_and_once() {
        let mut teller = Notifier::default();
        assert_eq!(
            teller.words(&RUNNING),
            [NotifyState::Ready, status("running")]
        );
        assert_eq!(teller.words(&RUNNING), []);
    }

    #[test]
    fn a_drain_over_the_api_is_not_a_stop() {
        let mut teller = Notifier::default();
        teller.words(&RUNNING);
        assert_eq!(
            teller.words(&draining(0, false)),
            [status("shutting down for 0s")]
        );
        let later = teller.words(&draining(3_700, false));
        assert_eq!(later, [status("shutting down for 1h1m40s")]);
        let gone = Situation {
            state: State::Gone,
            exit: Some(Exit::Code(3)),
            ..draining(4_000, false)
        };
        assert_eq!(
            teller.words(&gone),
            [status("gone: the process exited with code 3")]
        );
        assert!(!gone.is_under_way());
    }

    #[test]
    fn a_stop_is_told_once_and_its_timeout_extended_each_time() {
        let mut teller = Notifier::default();
        teller.words(&RUNNING);
        let extension = NotifyState::ExtendTimeout(EXTENSION);
        let first = teller.words(&draining(0, true));
        assert_eq!(
            first,
            [
                status("shutting down for 0s"),
                NotifyState::Stopping,
                extension.clone()
            ]
        );
        let again = teller.words(&draining(30, true));
        assert_eq!(again, [status("shutting down for 30s"), extension]);
        assert!(draining(30, true).is_under_way());
    }
}
