//! The JSON format: one object with the event's fields beside `timestamp`, `level`, `target` and
//! `spans`, hence no field has one of these names.
//!
//! Owns one line of at most [`MAX_LINE`] bytes that always parses. It writes to no descriptor.

use std::fmt;
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::registry::LookupSpan;

use super::dropped::DroppedLines;
use super::escape::{truncate, write_json};
use super::fields::TextVisitor;
use super::{MAX_LINE, OWN_TARGET};
use crate::timestamp::rfc3339;

/// Bytes kept of an event that is too long. Escaping can double them, and the rest of the object
/// must fit.
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
        // The list of spans holds the current one.
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
            line = truncated(event);
        }
        writeln!(writer, "{line}")
    }
}

/// The event as text in place of its message, truncated and marked by `truncated`.
fn truncated(event: &Event<'_>) -> String {
    let mut kept = String::new();
    event.record(&mut TextVisitor::new(&mut kept));
    truncate(&mut kept, MAX_KEPT);
    let metadata = event.metadata();
    object(
        *metadata.level(),
        metadata.target(),
        &kept,
        r#""truncated":true"#,
    )
}

/// The line that reports dropped lines.
pub(super) fn dropped(dropped: DroppedLines) -> String {
    let DroppedLines { all, audit } = dropped;
    let message = "stderr was full: log lines dropped";
    let mut line = object(
        Level::WARN,
        OWN_TARGET,
        message,
        &format!(r#""audit_lines":{audit},"lines":{all}"#),
    );
    line.push('\n');
    line
}

/// `printable` and `target` hold no control characters: only quotes and backslashes need escaping.
fn object(level: Level, target: &str, printable: &str, member: &str) -> String {
    let message = printable.replace('\\', r"\\").replace('"', r#"\""#);
    let timestamp = rfc3339(SystemTime::now());
    format!(
        r#"{{"timestamp":"{timestamp}","level":"{level}","message":"{message}",{member},"target":"{target}"}}"#
    )
}
