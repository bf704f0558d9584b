//! The metrics, as OpenMetrics.
//!
//! Owns names, help texts and labels, and the only use of prometheus-client. It never reads the
//! state of the process: `snapshot` holds it at the time of a scrape.

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

/// Histogram buckets in seconds: most calls take less than a millisecond, a waiting one takes
/// hours.
const BUCKETS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0,
];

/// Label pairs, all from a fixed set: a caller cannot create new series.
type Labels = Vec<(&'static str, &'static str)>;
type IntegerGauges = Family<Labels, Gauge>;
type SecondsGauges = Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>;

/// The registered metrics. The gRPC server reports through [`Observer`].
pub struct Metrics {
    registry: RefCell<Registry>,
    calls: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    connections_opened: Counter,
    connections_refused: Counter,
    connections: Gauge,
    orphans_reaped: Counter,
    signals_sent: Family<Labels, Counter>,
    signals_refused: Counter,
    webhook_attempts: Counter,
    log_lines_dropped: Counter,
    audit_lines_dropped: Counter,
    integers: Vec<(&'static str, IntegerGauges)>,
    times: Vec<(&'static str, SecondsGauges)>,
}

/// Integer gauges with their help texts. A gauge without a value is absent.
const INTEGERS: [(&str, &str); 7] = [
    (
        "process_state",
        "1 for the current state of the wrapped process, 0 for the others",
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
        "1 if a stop was requested before the exit, 0 if not",
    ),
    ("process_outcome", "1 for how the wrapped process ended"),
    (
        "webhooks",
        "Completion webhooks by the phase of their delivery",
    ),
];

/// Gauges of times in seconds since the Unix epoch, with their help texts.
const TIMES: [(&str, &str); 3] = [
    (
        "process_start_time_seconds",
        "When the wrapped process was started",
    ),
    (
        "process_shutdown_requested_time_seconds",
        "When a stop was first requested",
    ),
    (
        "process_exit_time_seconds",
        "When the wrapper saw the exit of the process",
    ),
];

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("process_wrapper");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of process-wrapper", version);
        let calls = Family::default();
        registry.register(
            "grpc_calls",
            "Completed calls by method and code",
            calls.clone(),
        );
        let durations =
            Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "grpc_call_duration_seconds",
            "Time from request headers to trailers, waiting included",
            durations.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let connections_opened = counter("grpc_connections_opened", "Accepted connections");
        let connections_refused = counter(
            "grpc_connections_refused",
            "Connections closed right after the accept",
        );
        let orphans_reaped = counter("orphans_reaped", "Reaped orphan processes");
        let webhook_attempts = counter(
            "webhook_attempts",
            "Delivery attempts of completion webhooks",
        );
        let log_lines_dropped = counter(
            "log_lines_dropped",
            "Log lines dropped because stderr was full",
        );
        let audit_lines_dropped = counter(
            "audit_lines_dropped",
            "Audit lines among the dropped log lines",
        );
        let signals_refused = counter(
            "signals_refused",
            "Signals to the wrapped process that the kernel refused",
        );
        let signals_sent = Family::default();
        registry.register(
            "signals_sent",
            "Signals sent to the wrapped process by signal and cause",
            signals_sent.clone(),
        );
        let connections = Gauge::default();
        registry.register("grpc_connections", "Open connections", connections.clone());
        let integers = INTEGERS.map(|(name, help)| {
            let gauges = IntegerGauges::default();
            registry.register(name, help, gauges.clone());
            (name, gauges)
        });
        let times = TIMES.map(|(name, help)| {
            let gauges = SecondsGauges::default();
            registry.register(name, help, gauges.clone());
            (name, gauges)
        });
        Self {
            registry: RefCell::new(registry),
            calls,
            durations,
            connections_opened,
            connections_refused,
            connections,
            orphans_reaped,
            signals_sent,
            signals_refused,
            webhook_attempts,
            log_lines_dropped,
            audit_lines_dropped,
            integers: integers.into(),
            times: times.into(),
        }
    }

    /// All metrics as OpenMetrics text, with the values of `snapshot`.
    pub(super) fn text(&self, snapshot: &Snapshot) -> Result<String, fmt::Error> {
        self.connections
            .set(i64::try_from(snapshot.connections).unwrap_or(i64::MAX));
        raise_to(&self.orphans_reaped, snapshot.orphans_reaped);
        raise_to(&self.signals_refused, snapshot.signals_refused);
        for ((signal, cause), total) in &snapshot.signals_sent {
            let labels = vec![("signal", signal.full_name()), ("cause", cause.as_str())];
            raise_to(&self.signals_sent.get_or_create(&labels), *total);
        }
        raise_to(&self.webhook_attempts, snapshot.webhook_attempts);
        raise_to(&self.log_lines_dropped, snapshot.dropped_lines.all);
        raise_to(&self.audit_lines_dropped, snapshot.dropped_lines.audit);
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
        // prometheus-client lacks the type stateset: gauges whose label has the name of the metric.
        let gauge = format!("# TYPE {STATE_SET} gauge\n");
        Ok(page.replacen(&gauge, &format!("# TYPE {STATE_SET} stateset\n"), 1))
    }
}

/// Raises a counter to a total that another module counts.
fn raise_to(counter: &Counter, total: u64) {
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
        // An unknown path is one series: its text is the caller's choice.
        let method = call.method.unwrap_or("unknown").trim_start_matches('/');
        self.calls
            .get_or_create(&vec![("method", method), ("code", call.code.name())])
            .inc();
        self.durations
            .get_or_create(&vec![("method", method)])
            .observe(call.duration.as_secs_f64());
    }

    fn connection_opened(&self) {
        self.connections_opened.inc();
    }

    fn connection_refused(&self) {
        self.connections_refused.inc();
    }
}
