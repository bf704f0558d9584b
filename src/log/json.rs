//! The JSON form of a line: one object with the event's fields beside `timestamp` and `level`.
//!
//! It makes one line of at most [`MAX_LINE`] bytes that always parses; it writes to no descriptor.
//! Fields share the object with `timestamp`, `level`, `target` and `spans`, so none is named so.

use std::fmt;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

use super::escape::{shorten, write_json};
use super::fields::TextVisitor;
use super::{MAX_LINE, OWN_TARGET};
use crate::timestamp::rfc3339;

/// How much of an event that is too long is kept. Escaping can double it, and the rest of the
/// object has to fit beside it.
const MAX_KEPT: usize = 1800;

/// Writes the present time.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", rfc3339(SystemTime::now()))
    }
}

/// Formats events.
pub(super) struct JsonLines(format::Format<format::Json, Utc>);

impl JsonLines {
    pub(super) fn new() -> Self {
        // Spans are listed from the root on, so the current one need not be told twice.
        Self(
            format::format()
                .with_timer(Utc)
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true),
        )
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut raw = String::new();
        let formatted = self.0.format_event(ctx, Writer::new(&mut raw), event);
        let mut line = String::new();
        write_json(&mut line, raw.trim_end_matches('\n'))?;
        if formatted.is_err() || line.len() >= MAX_LINE {
            line = shortened(event);
        }
        writeln!(writer, "{line}")
    }
}

/// The start of an event as text in the place of its message, marked by `truncated`.
fn shortened(event: &Event<'_>) -> String {
    let mut kept = String::new();
    event.record(&mut TextVisitor::new(&mut kept));
    shorten(&mut kept, MAX_KEPT);
    let metadata = event.metadata();
    object(
        *metadata.level(),
        metadata.target(),
        &kept,
        r#""truncated":true"#,
    )
}

/// The line that tells of lines that were not written.
pub(super) fn dropped(lines: u64) -> String {
    let message = "stderr was full: log lines dropped";
    let mut line = object(
        Level::WARN,
        OWN_TARGET,
        message,
        &format!(r#""lines":{lines}"#),
    );
    line.push('\n');
    line
}

/// `printable` and `target` hold no control characters, so quotes and backslashes are all there is
/// to escape.
fn object(level: Level, target: &str, printable: &str, member: &str) -> String {
    let message = printable.replace('\\', r"\\").replace('"', r#"\""#);
    let timestamp = rfc3339(SystemTime::now());
    format!(
        r#"{{"timestamp":"{timestamp}","level":"{level}","message":"{message}",{member},"target":"{target}"}}"#
    )
}
