//! The semantics, one story each.
//!
//! Owns the names under which a broken rule is found. It never enumerates; `walk` does.

mod deadlines;
mod leaving;
mod outcomes;
mod post_exit;
mod ready;
mod refusals;
mod repeats;
mod requests;
mod signals;
mod silent_abort;
mod spacing;
mod webhooks;

use std::time::Duration;

use super::super::{Action, Config, DrainRequest, Exit, Input, Lifecycle, SignalCause, Slot};
use crate::signal::Signal;

/// A machine, and a clock that each line of a story can move.
struct Story {
    machine: Lifecycle,
    now: Duration,
}

impl Story {
    fn of(config: Config) -> Self {
        Self {
            machine: Lifecycle::new(config),
            now: Duration::ZERO,
        }
    }

    fn with_defaults() -> Self {
        Self::of(Config::default())
    }

    /// Moves the clock without telling the machine.
    fn at(&mut self, secs: u64) -> &mut Self {
        self.now = super::secs(secs);
        self
    }

    /// The same in milliseconds.
    fn at_ms(&mut self, millis: u64) -> &mut Self {
        self.now = Duration::from_millis(millis);
        self
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(self.now, input).actions
    }

    /// The kernel refuses the signal that this input sends.
    fn is_refused(&mut self, input: Input) {
        let step = self.machine.handle(self.now, input);
        let first = step.actions.first();
        assert!(
            matches!(first, Some(Action::SendStageSignal { .. })),
            "{step:?}"
        );
        self.machine.refused(&step);
    }

    /// The kernel takes the signal that this input sends at this time in milliseconds.
    fn is_sent_late(&mut self, input: Input, millis: u64) {
        let step = self.machine.handle(self.now, input);
        self.machine.sent(&step, Duration::from_millis(millis));
    }

    fn receives(&mut self, name: &str) -> Vec<Action> {
        self.input(Input::Signal(super::signal(name)))
    }

    /// A request to drain without deadlines of its own.
    fn is_asked(&mut self) -> Vec<Action> {
        self.is_asked_within(None, None)
    }

    fn is_asked_within(
        &mut self,
        force_after: Option<u64>,
        kill_after: Option<u64>,
    ) -> Vec<Action> {
        let secs = |count: Option<u64>| count.map(super::secs);
        self.input(Input::DrainRequest(super::request(
            secs(force_after),
            secs(kill_after),
        )))
    }

    fn is_asked_again(&mut self) -> Vec<Action> {
        self.input(Input::DrainRequest(DrainRequest {
            repeat_signal: true,
            ..DrainRequest::default()
        }))
    }

    /// A request to abort.
    fn is_forced(&mut self) -> Vec<Action> {
        self.input(Input::AbortRequest)
    }

    fn exits(&mut self) -> Vec<Action> {
        self.input(Input::Exited(super::EXIT))
    }

    fn command_ends(&mut self) -> Vec<Action> {
        self.input(Input::AfterExitEnded)
    }

    /// The nth webhook, from 0, is accepted.
    fn accepts(&mut self, nth: usize) -> Vec<Action> {
        self.input(Input::WebhookAccepted(slot(nth)))
    }

    fn webhook_ends(&mut self, nth: usize, delivered: bool) -> Vec<Action> {
        let slot = slot(nth);
        self.input(Input::WebhookEnded { slot, delivered })
    }

    fn time_passes(&mut self) -> Vec<Action> {
        self.input(Input::TimePassed)
    }
}

/// The actions that send the signal of a stage.
fn sends(name: &str, cause: SignalCause) -> Vec<Action> {
    let signal = super::signal(name);
    let mut actions = vec![Action::SendStageSignal { signal, cause }];
    if signal != Signal::KILL {
        actions.push(Action::ContinueProcess);
    }
    actions
}

/// A request sends it.
fn requests(name: &str) -> Vec<Action> {
    sends(name, SignalCause::Request)
}

/// A deadline sends it.
fn escalates(name: &str) -> Vec<Action> {
    sends(name, SignalCause::Deadline)
}

/// A received signal is forwarded and belongs to a stage.
fn forwards(name: &str) -> Vec<Action> {
    sends(name, SignalCause::Forwarded)
}

/// A received signal is forwarded and means nothing to the wrapper.
fn passes_on(name: &str) -> Vec<Action> {
    vec![Action::ForwardSignal(super::signal(name))]
}

fn slot(nth: usize) -> Slot {
    Slot::all().nth(nth).unwrap()
}

/// The actions that deliver these webhooks.
fn delivers(nths: &[usize]) -> Vec<Action> {
    nths.iter().map(|nth| Action::Deliver(slot(*nth))).collect()
}

fn leaves() -> Vec<Action> {
    vec![Action::Leave(super::EXIT)]
}

fn nothing() -> Vec<Action> {
    Vec::new()
}

/// The defaults with one change.
fn but(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[test]
fn the_exit_status_is_the_one_that_a_shell_would_report() {
    assert_eq!(Exit::Code(0).status(), 0);
    assert_eq!(Exit::Code(255).status(), 255);
    for signal in Signal::all() {
        let number = u8::try_from(signal.number()).unwrap();
        let exit = Exit::Signal {
            number,
            core_dumped: false,
        };
        assert_eq!(exit.status(), 128 + number);
    }
}
