//! The values of a scrape.
//!
//! Owns the conversion from the supervisor's facts to gauges. It never keeps a value between
//! scrapes.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::lifecycle::{Exit, State};
use crate::log::DroppedLines;
use crate::supervisor::{ProcessFacts, SignalCounts};
use crate::webhook::delivery::DeliveryState;

/// One value of a gauge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) value: i64,
}

/// All known values; a missing one is absent from the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) integers: Vec<Sample>,
    /// Seconds since the Unix epoch.
    pub(super) times: Vec<(&'static str, f64)>,
    pub(super) connections: usize,
    pub(super) orphans_reaped: u64,
    pub(super) signals_sent: SignalCounts,
    pub(super) signals_refused: u64,
    pub(super) webhook_attempts: u64,
    pub(super) dropped_lines: DroppedLines,
}

/// The full name of the state metric, and of its label: OpenMetrics requires this of a state set.
pub(super) const STATE_SET: &str = "process_wrapper_process_state";

const STATES: [(State, &str); 3] = [
    (State::Running, "running"),
    (State::ShuttingDown, "shutting_down"),
    (State::Gone, "gone"),
];

const DELIVERY_STATES: [(DeliveryState, &str); 3] = [
    (DeliveryState::Pending, "pending"),
    (DeliveryState::Delivered, "delivered"),
    (DeliveryState::Failed, "failed"),
];

impl Snapshot {
    /// The values for these facts.
    pub(super) fn of(facts: &ProcessFacts) -> Self {
        let unlabelled = |name, value| Sample {
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
        integers.push(unlabelled("process_pid", i64::from(facts.pid)));
        match facts.exit {
            Some(Exit::Code(code)) => integers.push(unlabelled("process_exit_code", code.into())),
            Some(Exit::Signal { number, .. }) => {
                integers.push(unlabelled("process_exit_signal", number.into()));
            }
            None => {}
        }
        if facts.exit.is_some() {
            integers.push(unlabelled("process_exit_requested", facts.requested.into()));
        }
        integers.extend(facts.outcome.map(|outcome| Sample {
            name: "process_outcome",
            label: Some(("outcome", outcome.as_str())),
            value: 1,
        }));
        integers.extend(DELIVERY_STATES.iter().map(|(state, word)| {
            let in_state = facts
                .webhooks
                .iter()
                .filter(|delivery| delivery.state == *state);
            Sample {
                name: "webhooks",
                label: Some(("phase", word)),
                value: i64::try_from(in_state.count()).unwrap_or(i64::MAX),
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
            signals_refused: facts.signals_refused,
            webhook_attempts: facts
                .webhooks
                .iter()
                .map(|delivery| u64::from(delivery.attempts))
                .sum(),
            ..Self::default()
        }
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
