//! What is counted and measured, as OpenMetrics.
//!
//! Owns the names, help texts and labels, and the only use of prometheus-client. It never looks at the process
//! itself: `snapshot` says how it stands when somebody asks.

use std::cell::RefCell;
use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::snapshot::{STATE_SET, Sample, Snapshot};
use crate::grpc::server::{FinishedCall, Observer};

/// Seconds; calls are answered in fractions of a millisecond, and waiting ones after hours.
const BUCKETS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0,
];

/// Of a fixed set, all of them: nobody can make as many series as they like.
type Labels = Vec<(&'static str, &'static str)>;
type Gauges = Family<Labels, Gauge>;
type Reals = Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>;

/// All that is counted. The server tells it through [`Observer`].
pub struct Metrics {
    registry: RefCell<Registry>,
    calls: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    opened: Counter,
    refused: Counter,
    connections: Gauge,
    reaped: Counter,
    attempts: Counter,
    integers: Vec<(&'static str, Gauges)>,
    times: Vec<(&'static str, Reals)>,
}

/// Gauges of whole numbers, with their help texts. They are there only while they are known.
const INTEGERS: [(&str, &str); 6] = [
    (
        "process_state",
        "1 for the state that the wrapped process is in, 0 for the others",
    ),
    ("process_pid", "The process id of the wrapped process"),
    (
        "process_exit_code",
        "The code that the wrapped process exited with",
    ),
    (
        "process_exit_signal",
        "The number of the signal that ended the wrapped process",
    ),
    (
        "process_exit_requested",
        "1 if the exit was asked for, 0 if not",
    ),
    (
        "webhooks",
        "Completion webhooks by how their delivery stands",
    ),
];

/// Gauges of times, in seconds since 1970.
const TIMES: [(&str, &str); 3] = [
    (
        "process_start_time_seconds",
        "When the wrapped process was started",
    ),
    (
        "process_shutdown_requested_time_seconds",
        "When it was first asked to stop",
    ),
    ("process_exit_time_seconds", "When its exit was seen"),
];

impl Metrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("process_wrapper");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let calls = Family::default();
        registry.register(
            "grpc_calls",
            "Calls that have ended, by method and code",
            calls.clone(),
        );
        let durations =
            Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "grpc_call_duration_seconds",
            "From a call's headers to its trailers, waiting included",
            durations.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let opened = counter("grpc_connections_opened", "Connections that were let in");
        let refused = counter(
            "grpc_connections_refused",
            "Connections that were closed at once",
        );
        let reaped = counter("orphans_reaped", "Orphaned processes that were reaped");
        let attempts = counter(
            "webhook_attempts",
            "Attempts to deliver a completion webhook",
        );
        let connections = Gauge::default();
        registry.register(
            "grpc_connections",
            "Connections that are open",
            connections.clone(),
        );
        let integers = INTEGERS.map(|(name, help)| {
            let gauges = Gauges::default();
            registry.register(name, help, gauges.clone());
            (name, gauges)
        });
        let times = TIMES.map(|(name, help)| {
            let gauges = Reals::default();
            registry.register(name, help, gauges.clone());
            (name, gauges)
        });
        Self {
            registry: RefCell::new(registry),
            calls,
            durations,
            opened,
            refused,
            connections,
            reaped,
            attempts,
            integers: integers.into(),
            times: times.into(),
        }
    }

    /// Everything as OpenMetrics text, with the process as it stands now.
    pub(super) fn text(&self, snapshot: &Snapshot) -> Result<String, fmt::Error> {
        self.connections
            .set(i64::try_from(snapshot.connections).unwrap_or(i64::MAX));
        raise(&self.reaped, snapshot.orphans_reaped);
        raise(&self.attempts, snapshot.webhook_attempts);
        for (name, gauges) in &self.integers {
            gauges.clear();
            for Sample { label, value, .. } in snapshot.integers.iter().filter(|s| s.name == *name)
            {
                let labels = label.iter().copied().collect();
                gauges.get_or_create(&labels).set(*value);
            }
        }
        for (name, gauges) in &self.times {
            gauges.clear();
            for (_, seconds) in snapshot.times.iter().filter(|(time, _)| time == name) {
                gauges.get_or_create(&Vec::new()).set(*seconds);
            }
        }
        let mut page = String::new();
        text::encode(&mut page, &self.registry.borrow())?;
        // A type that prometheus-client does not have: gauges whose label has the name of their metric.
        let gauge = format!("# TYPE {STATE_SET} gauge\n");
        Ok(page.replacen(&gauge, &format!("# TYPE {STATE_SET} stateset\n"), 1))
    }
}

/// Brings a counter up to what was counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Observer for Metrics {
    fn call_finished(&self, call: &FinishedCall) {
        // A path that is no method's would let a caller make as many series as they like.
        let method = call.method.unwrap_or("unknown").trim_start_matches('/');
        self.calls
            .get_or_create(&vec![("method", method), ("code", call.code.name())])
            .inc();
        self.durations
            .get_or_create(&vec![("method", method)])
            .observe(call.duration.as_secs_f64());
    }

    fn connection_opened(&self) {
        self.opened.inc();
    }

    fn connection_refused(&self) {
        self.refused.inc();
    }
}
