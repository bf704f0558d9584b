//! The fields of an event as text: the message, then `name=value` pairs.
//!
//! Owns escaping and limiting each value. It knows no lines, times or levels.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{VisitFmt, VisitOutput};

use super::escape::{BoundedString, write_escaped, write_value};

/// Maximum bytes of a value before escaping.
const MAX_VALUE: usize = 1024;

/// A visitor that writes fields to `out`, separated by spaces.
pub(super) struct TextVisitor<W> {
    out: W,
    is_empty: bool,
    result: fmt::Result,
}

impl<W: Write> TextVisitor<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            is_empty: true,
            result: Ok(()),
        }
    }

    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        let mut bounded = BoundedString::new(MAX_VALUE);
        // A value that fails to format keeps its prefix: the event matters more.
        let _ = bounded.write_fmt(value);
        let text = bounded.finish();
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.write_char(' ')?;
        }
        if field.name() == "message" {
            return write_escaped(&mut self.out, &text);
        }
        write!(self.out, "{}=", field.name())?;
        write_value(&mut self.out, &text)
    }

    fn record(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_ok() {
            self.result = self.write(field, value);
        }
    }
}

impl<W: Write> Visit for TextVisitor<W> {
    // The trait's defaults pass numbers, errors and `%` values here as well.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, format_args!("{value}"));
    }
}

impl<W: Write> VisitOutput<fmt::Result> for TextVisitor<W> {
    fn finish(self) -> fmt::Result {
        self.result
    }
}

impl<W: Write> VisitFmt for TextVisitor<W> {
    fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }
}
