//! Lines to a sink: whole and in order, or dropped and counted.
//!
//! Owns the count of dropped lines and the rest of a partly written line. It never blocks and never
//! fails.

use std::io;
use std::os::fd::AsFd;

use super::sink::Sink;
use super::{LogFormat, json, text};

/// A writer that takes one line per `write`.
#[derive(Debug)]
pub(super) struct LineWriter<Fd> {
    sink: Sink<Fd>,
    format: LogFormat,
    /// The rest of a line that the sink took in part, as terminals do. It is written first.
    rest: Vec<u8>,
    dropped: u64,
}

impl<Fd: AsFd> LineWriter<Fd> {
    pub(super) fn new(sink: Sink<Fd>, format: LogFormat) -> Self {
        Self {
            sink,
            format,
            rest: Vec::new(),
            dropped: 0,
        }
    }

    fn line(&mut self, line: &[u8]) {
        let written = self.finish_rest() && self.report_dropped() && self.write_line(line);
        if !written {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Whether the last line is complete now.
    fn finish_rest(&mut self) -> bool {
        if !self.rest.is_empty() {
            let written = self.sink.write(&self.rest);
            self.rest.drain(..written);
        }
        self.rest.is_empty()
    }

    /// Whether no dropped line is left to report.
    fn report_dropped(&mut self) -> bool {
        if self.dropped == 0 {
            return true;
        }
        let line = match self.format {
            LogFormat::Text => text::dropped(self.dropped),
            LogFormat::Json => json::dropped(self.dropped),
        };
        if !self.write_line(line.as_bytes()) {
            return false;
        }
        self.dropped = 0;
        self.rest.is_empty()
    }

    /// Whether the line is written, or begun with its rest kept.
    fn write_line(&mut self, line: &[u8]) -> bool {
        let written = self.sink.write(line);
        if written == 0 {
            return false;
        }
        self.rest.extend_from_slice(&line[written..]);
        true
    }
}

impl<Fd: AsFd> io::Write for LineWriter<Fd> {
    /// Always takes the whole line: the caller would write the rest again.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
