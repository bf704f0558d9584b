//! How things stand when somebody looks.
//!
//! Owns the step from the supervisor's facts to named numbers. It never counts over time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::lifecycle::{Exit, State};
use crate::supervisor::ProcessFacts;
use crate::webhook::delivery::DeliveryState;

/// One number that may change in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) value: i64,
}

/// All numbers that are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) integers: Vec<Sample>,
    /// Seconds since 1970.
    pub(super) times: Vec<(&'static str, f64)>,
    pub(super) connections: usize,
    pub(super) orphans_reaped: u64,
    pub(super) webhook_attempts: u64,
}

/// The full name of the metric with the states. In OpenMetrics the label of a state set has that name as well.
pub(super) const STATE_SET: &str = "process_wrapper_process_state";

const STATES: [(State, &str); 3] = [
    (State::Running, "running"),
    (State::ShuttingDown, "shutting_down"),
    (State::Gone, "gone"),
];

const PHASES: [(DeliveryState, &str); 3] = [
    (DeliveryState::Pending, "pending"),
    (DeliveryState::Delivered, "delivered"),
    (DeliveryState::Failed, "failed"),
];

impl Snapshot {
    /// The numbers for these facts.
    pub(super) fn of(facts: &ProcessFacts) -> Self {
        let plain = |name, value| Sample {
            name,
            label: None,
            value,
        };
        let mut integers: Vec<_> = STATES
            .iter()
            .map(|(state, word)| Sample {
                name: "process_state",
                label: Some((STATE_SET, word)),
                value: i64::from(*state == facts.state),
            })
            .collect();
        integers.push(plain("process_pid", i64::from(facts.pid)));
        match facts.exit {
            Some(Exit::Code(code)) => integers.push(plain("process_exit_code", code.into())),
            Some(Exit::Signal { number, .. }) => {
                integers.push(plain("process_exit_signal", number.into()));
            }
            None => {}
        }
        if facts.exit.is_some() {
            integers.push(plain("process_exit_requested", facts.requested.into()));
        }
        integers.extend(PHASES.iter().map(|(phase, word)| {
            let in_phase = facts.webhooks.iter().filter(|hook| hook.phase == *phase);
            Sample {
                name: "webhooks",
                label: Some(("phase", word)),
                value: i64::try_from(in_phase.count()).unwrap_or(i64::MAX),
            }
        }));
        let times = [
            ("process_start_time_seconds", Some(facts.started_at)),
            (
                "process_shutdown_requested_time_seconds",
                facts.shutdown_requested_at,
            ),
            ("process_exit_time_seconds", facts.exited_at),
        ];
        Self {
            integers,
            times: times
                .into_iter()
                .filter_map(|(name, time)| Some((name, seconds(time?))))
                .collect(),
            webhook_attempts: facts
                .webhooks
                .iter()
                .map(|hook| u64::from(hook.attempts))
                .sum(),
            ..Self::default()
        }
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
