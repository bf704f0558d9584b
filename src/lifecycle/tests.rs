//! Tests of the state machine, in three ways that fail for different reasons.
//!
//! Owns what they share. `walk` visits every reachable state and asserts the invariants after every
//! step, `model` compares the machine with a second one that knows only the history, and
//! `scenarios` tells each sentence of the semantics as a story of its own.

mod model;
mod scenarios;
#[cfg(any())]
mod walk;

use std::time::Duration;

// The model takes everything from here.
use fastrand::Rng;

use super::{
    Action, AfterExitLimits, Config, DrainRequest, Exit, ExitWhenGone, Input, Lifecycle, Outcome,
    Rewrites, SignalCause, Slot, Spacing, State,
};
use crate::signal::Signal;

#[test]
fn the_machine_does_what_its_history_demands() {
    let actions: usize = (0..10_000)
        .map(|seed| model::compare(&mut Rng::with_seed(seed), &format!("seed {seed}")))
        .sum();
    assert!(actions > 50_000, "only {actions} actions were compared");
}

/// An exit that is no default.
const EXIT: Exit = Exit::Code(7);

/// The unit in which the tests count time.
fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A signal that has no constant.
fn signal(name: &str) -> Signal {
    name.parse().unwrap()
}

/// Rules as on the command line, separated by spaces.
fn rewrites(rules: &str) -> Rewrites {
    rules
        .split_whitespace()
        .map(|rule| rule.parse::<super::Rewrite>().unwrap())
        .collect()
}

fn request(force_after: Option<Duration>, kill_after: Option<Duration>) -> DrainRequest {
    DrainRequest {
        force_after,
        kill_after,
        repeat_signal: false,
    }
}
