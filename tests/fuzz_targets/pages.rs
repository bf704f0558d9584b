//! Metrics in the older text format.

use super::cursor::Cursor;

#[allow(dead_code, reason = "its media type is written by the server")]
#[path = "../../src/monitor/format.rs"]
mod format;

use format::MetricsFormat;

/// No line is lost but the mark of the end, and none is changed but the names of counters and infos
/// and the types that the older format has not; a scraper that does not ask for OpenMetrics gets
/// the older one.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let accept = cursor.text();
    let asks = accept.contains("application/openmetrics-text");
    let format = MetricsFormat::negotiate(Some(&accept));
    assert_eq!(format == MetricsFormat::OpenMetrics, asks);
    assert_eq!(
        format
            .media_type()
            .starts_with("application/openmetrics-text"),
        asks
    );
    assert_eq!(MetricsFormat::negotiate(None), MetricsFormat::Text);

    // OpenMetrics ends lines by a line feed, section 3.1.
    let page = String::from_utf8_lossy(cursor.rest()).replace('\r', "");
    assert_eq!(MetricsFormat::OpenMetrics.convert(page.clone()), page);
    let text = MetricsFormat::Text.convert(page.clone());
    let before = page.lines().filter(|line| *line != "# EOF");
    assert_eq!(text.lines().count(), before.clone().count());
    for (before, after) in before.zip(text.lines()) {
        if before == after {
            continue;
        }
        let words: Vec<&str> = before.splitn(4, ' ').collect();
        let [mark, kind, name, rest] = words[..] else {
            panic!("{before:?} became {after:?}");
        };
        let is = |kind: &str| {
            page.lines()
                .any(|line| line == format!("# TYPE {name} {kind}"))
        };
        let suffix = match (is("counter"), is("info")) {
            (true, _) => "_total",
            (false, true) => "_info",
            (false, false) => "",
        };
        let gauge = kind == "TYPE" && ["info", "stateset"].contains(&rest);
        let rest = if gauge { "gauge" } else { rest };
        assert_eq!(mark, "#");
        assert_eq!(after, format!("# {kind} {name}{suffix} {rest}"));
    }
}
