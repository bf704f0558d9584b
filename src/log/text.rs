//! The text format: time or the journal's priority, level, target, spans, message, fields.
//!
//! Owns one line of at most [`MAX_LINE`] bytes. It writes to no descriptor.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::{MakeVisitor, VisitOutput};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::dropped::DroppedLines;
use super::escape::truncate;
use super::fields::TextVisitor;
use super::journal::priority;
use super::{MAX_LINE, OWN_TARGET};
use crate::timestamp::rfc3339;

/// Formats the fields of spans.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextFields;

impl<'w> MakeVisitor<Writer<'w>> for TextFields {
    type Visitor = TextVisitor<Writer<'w>>;

    fn make_visitor(&self, target: Writer<'w>) -> Self::Visitor {
        TextVisitor::new(target)
    }
}

/// What a line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextHead {
    /// The time.
    Time,
    /// The priority for journald, which has a time for each line.
    Priority,
}

/// Formats events.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextLines(pub(super) TextHead);

impl<S, N> FormatEvent<S, N> for TextLines
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
        let metadata = event.metadata();
        let mut line = self.0.of(*metadata.level(), metadata.target());
        for span in ctx
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            line.push_str(span.name());
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(line, "{{{fields}}}")?;
            }
            line.push_str(": ");
        }
        let mut visitor = TextVisitor::new(&mut line);
        event.record(&mut visitor);
        visitor.finish()?;
        truncate(&mut line, MAX_LINE - 1);
        writeln!(writer, "{line}")
    }
}

/// The line that reports dropped lines.
pub(super) fn dropped(head: TextHead, dropped: DroppedLines) -> String {
    let head = head.of(Level::WARN, OWN_TARGET);
    let DroppedLines { all, audit } = dropped;
    format!("{head}stderr was full: log lines dropped audit_lines={audit} lines={all}\n")
}

impl TextHead {
    fn of(self, level: Level, target: &str) -> String {
        // Debug lines name the module; for operators the crate is enough.
        let shown = if level > Level::INFO {
            target
        } else {
            target.split("::").next().unwrap_or(target)
        };
        match self {
            Self::Time => format!("{} {level} {shown}: ", rfc3339(SystemTime::now())),
            Self::Priority => format!("{}{level} {shown}: ", priority(level)),
        }
    }
}
