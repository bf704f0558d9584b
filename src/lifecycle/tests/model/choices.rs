//! Random configurations and inputs that collide often.
//!
//! Owns the odds. It never says what must come of a choice.

use std::time::Duration;

use super::super::{
    AfterExitLimits, Config, DrainRequest, Exit, ExitWhenGone, Input, Rng, Signal, Slot, Spacing,
};
use super::super::{rewrites, signal};
use super::WEBHOOKS;

pub(super) fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Durations that collide often, and those at the end of the clock.
fn duration(rng: &mut Rng) -> Option<Duration> {
    match rng.u8(..10) {
        0..4 => None,
        4 => Some(Duration::ZERO),
        5 => Some(Duration::MAX),
        6 => Some(Duration::MAX - Duration::from_millis(rng.u64(..50))),
        _ => Some(Duration::from_millis(rng.u64(..50))),
    }
}

fn any_signal(rng: &mut Rng) -> Signal {
    if rng.bool() {
        // The signals that the semantics name.
        signal(pick(rng, &["TERM", "INT", "QUIT", "HUP", "USR1", "KILL"]))
    } else {
        Signal::from_number(rng.i32(1..=31)).unwrap()
    }
}

pub(super) fn config(rng: &mut Rng) -> Config {
    let rule = |rng: &mut Rng| {
        let from = pick(rng, &["TERM", "INT", "QUIT", "HUP", "USR1"]);
        let to = pick(rng, &["0", "TERM", "INT", "QUIT", "USR1", "KILL", "WINCH"]);
        format!("{from}:{to} ")
    };
    let rules: String = (0..rng.usize(..4)).map(|_| rule(rng)).collect();
    Config {
        graceful_signal: signal(pick(rng, &["QUIT", "QUIT", "TERM", "INT", "USR1", "KILL"])),
        forceful_signal: pick(rng, &["TERM", "TERM", "INT", "USR1", "QUIT", "KILL", ""])
            .parse()
            .ok(),
        force_after: duration(rng),
        kill_after: duration(rng),
        ready_within: duration(rng),
        spacing: Spacing {
            forceful: Duration::from_millis(rng.u64(..9)),
            repeat: Duration::from_millis(rng.u64(..9)),
        },
        exit_when_gone: pick(
            rng,
            &[
                ExitWhenGone::Never,
                ExitWhenGone::Unrequested,
                ExitWhenGone::Always,
            ],
        ),
        rewrites: rewrites(&rules),
        after_exit: rng.bool().then(|| AfterExitLimits {
            timeout: duration(rng).unwrap_or(Duration::from_millis(9)),
            grace: duration(rng).unwrap_or(Duration::from_millis(9)),
        }),
    }
}

pub(super) fn input(rng: &mut Rng) -> Input {
    let slot = Slot::all().nth(rng.usize(..WEBHOOKS)).unwrap();
    match rng.u8(..29) {
        20..22 => Input::WebhookAccepted(slot),
        22..25 => Input::WebhookEnded {
            slot,
            delivered: rng.u8(..4) == 0,
        },
        25..27 => Input::Ready,
        27.. => Input::RecoveredDeliveries {
            under_way: rng.bool(),
        },
        0..5 => Input::DrainRequest(DrainRequest {
            force_after: duration(rng),
            kill_after: duration(rng),
            repeat_signal: rng.bool(),
        }),
        5..7 => Input::AbortRequest,
        7..12 => Input::Signal(any_signal(rng)),
        12 => Input::AfterExitEnded,
        13 => Input::Exited(match rng.bool() {
            true => Exit::Code(rng.u8(..)),
            false => Exit::Signal {
                number: rng.u8(1..65),
                core_dumped: rng.bool(),
            },
        }),
        14..20 => Input::TimePassed,
    }
}
