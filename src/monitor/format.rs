//! The two text formats of metrics.
//!
//! Owns which one a caller gets, and the step from OpenMetrics to the older one. It never measures anything.

use std::collections::BTreeSet;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsFormat {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus's own text, 0.0.4, which every scraper reads.
    Text,
}

impl MetricsFormat {
    /// What an Accept header asks for: OpenMetrics where it is named, as Prometheus does.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(types) if types.contains("application/openmetrics-text") => Self::OpenMetrics,
            Some(_) | None => Self::Text,
        }
    }

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The page in this format, from OpenMetrics.
    pub(super) fn write(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => to_text(&open_metrics),
        }
    }
}

/// OpenMetrics names a counter without the `_total` of its sample and an info without its `_info`, the older
/// format with them; it has neither infos nor state sets, which are gauges there; and only the former marks the end.
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
    fn what_the_older_format_has_not_is_renamed_and_the_end_is_not_marked() {
        let open_metrics = "# HELP a_b Calls.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a_b counter\"} 3\n\
            # HELP c A gauge.\n# TYPE c gauge\nc 1\n# HELP d An info.\n# TYPE d info\nd_info{v=\"1\"} 1\n\
            # HELP e States.\n# TYPE e stateset\ne{e=\"on\"} 1\n# EOF\n";
        let text = "# HELP a_b_total Calls.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a_b counter\"} 3\n\
            # HELP c A gauge.\n# TYPE c gauge\nc 1\n# HELP d_info An info.\n# TYPE d_info gauge\nd_info{v=\"1\"} 1\n\
            # HELP e States.\n# TYPE e gauge\ne{e=\"on\"} 1\n";
        assert_eq!(MetricsFormat::Text.write(open_metrics.to_owned()), text);
        assert_eq!(
            MetricsFormat::OpenMetrics.write(open_metrics.to_owned()),
            open_metrics
        );
    }

    #[test]
    fn a_scraper_that_names_open_metrics_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5";
        assert_eq!(
            MetricsFormat::accepted(Some(prometheus)),
            MetricsFormat::OpenMetrics
        );
        assert_eq!(MetricsFormat::accepted(Some("*/*")), MetricsFormat::Text);
        assert_eq!(MetricsFormat::accepted(None), MetricsFormat::Text);
    }
}
