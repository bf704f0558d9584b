//! The two text formats of metrics.
//!
//! Owns content negotiation and the conversion from OpenMetrics to the Prometheus text format. It
//! never collects a value.

use std::collections::BTreeSet;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsFormat {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4, which every scraper reads.
    Text,
}

impl MetricsFormat {
    /// The format for an Accept header: OpenMetrics if the header names it, as Prometheus does.
    pub(super) fn negotiate(accept: Option<&str>) -> Self {
        match accept {
            Some(types) if types.contains("application/openmetrics-text") => Self::OpenMetrics,
            Some(_) | None => Self::Text,
        }
    }

    /// The media type for Content-Type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Converts OpenMetrics text to this format.
    pub(super) fn convert(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => to_text(&open_metrics),
        }
    }
}

/// Converts OpenMetrics to the Prometheus text format, which
///
/// - names counters and infos with the suffix of their samples (`_total`, `_info`),
/// - has gauges for infos and state sets,
/// - has no end marker.
fn to_text(open_metrics: &str) -> String {
    let names = |suffix| -> BTreeSet<&str> {
        let types = open_metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.strip_suffix(suffix)).collect()
    };
    let (counters, infos) = (names(" counter"), names(" info"));
    let mut page = String::with_capacity(open_metrics.len() + 256);
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) => {
                let suffix = match (counters.contains(name), infos.contains(name)) {
                    (true, _) => "_total ",
                    (false, true) => "_info ",
                    (false, false) => " ",
                };
                let rest = match (kind, rest) {
                    ("TYPE", "info" | "stateset") => "gauge",
                    (_, rest) => rest,
                };
                page.extend(["# ", kind, " ", name, suffix, rest]);
            }
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_has_suffixes_gauges_and_no_end_marker() {
        let open_metrics = "# HELP a_b Calls.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a_b counter\"} 3\n\
            # HELP c A gauge.\n# TYPE c gauge\nc 1\n# HELP d An info.\n# TYPE d info\nd_info{v=\"1\"} 1\n\
            # HELP e States.\n# TYPE e stateset\ne{e=\"on\"} 1\n# EOF\n";
        let text = "# HELP a_b_total Calls.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a_b counter\"} 3\n\
            # HELP c A gauge.\n# TYPE c gauge\nc 1\n# HELP d_info An info.\n# TYPE d_info gauge\nd_info{v=\"1\"} 1\n\
            # HELP e States.\n# TYPE e gauge\ne{e=\"on\"} 1\n";
        assert_eq!(MetricsFormat::Text.convert(open_metrics.to_owned()), text);
        assert_eq!(
            MetricsFormat::OpenMetrics.convert(open_metrics.to_owned()),
            open_metrics
        );
    }

    #[test]
    fn an_accept_header_with_open_metrics_selects_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5";
        assert_eq!(
            MetricsFormat::negotiate(Some(prometheus)),
            MetricsFormat::OpenMetrics
        );
        assert_eq!(MetricsFormat::negotiate(Some("*/*")), MetricsFormat::Text);
        assert_eq!(MetricsFormat::negotiate(None), MetricsFormat::Text);
    }
}
