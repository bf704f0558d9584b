//! The state machine: any list of inputs, against the model that the unit tests use.

use process_wrapper::lifecycle::{
    Action, AfterExitLimits, Config, DrainRequest, Exit, ExitWhenGone, Input, Lifecycle, Outcome,
    Rewrite, Rewrites, SignalCause, Slot, Spacing, State,
};
use process_wrapper::signal::Signal;

use super::cursor::Cursor;

#[allow(
    elided_lifetimes_in_paths,
    reason = "the generator of the unit tests borrows nothing"
)]
#[path = "../../src/lifecycle/tests/model.rs"]
mod model;

/// The model's choices are the input's.
use Cursor as Rng;

/// The machine does what its history demands, and keeps what it promises, at every step.
pub fn run(data: &[u8]) {
    model::compare(&mut Cursor::new(data), "bytes");
}

fn signal(name: &str) -> Signal {
    name.parse().unwrap()
}

fn rewrites(rules: &str) -> Rewrites {
    rules
        .split_whitespace()
        .map(|rule| rule.parse::<Rewrite>().unwrap())
        .collect()
}
