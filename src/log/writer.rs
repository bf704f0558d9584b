//! Lines to a sink: whole, in order, or dropped and counted.
//!
//! Owns the count of dropped lines and the rest of a line that was taken in part. It never waits
//! and never fails, so that whoever logs need not care.

use std::io;
use std::os::fd::AsFd;

use super::sink::Sink;
use super::{LogFormat, json, text};

/// Takes one line per `write`.
#[derive(Debug)]
pub(super) struct LineWriter<Fd> {
    sink: Sink<Fd>,
    format: LogFormat,
    /// What is left of a line that the sink took only in part, as terminals do. It goes first.
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
        let written = self.finish_rest() && self.report_dropped() && self.put(line);
        if !written {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Whether the last line is out in whole now.
    fn finish_rest(&mut self) -> bool {
        if !self.rest.is_empty() {
            let taken = self.sink.write(&self.rest);
            self.rest.drain(..taken);
        }
        self.rest.is_empty()
    }

    /// Whether nothing is left to tell.
    fn report_dropped(&mut self) -> bool {
        if self.dropped == 0 {
            return true;
        }
        let line = match self.format {
            LogFormat::Text => text::dropped(self.dropped),
            LogFormat::Json => json::dropped(self.dropped),
        };
        if !self.put(line.as_bytes()) {
            return false;
        }
        self.dropped = 0;
        self.rest.is_empty()
    }

    /// Whether the line is out, or begun and its rest kept.
    fn put(&mut self, line: &[u8]) -> bool {
        let taken = self.sink.write(line);
        if taken == 0 {
            return false;
        }
        self.rest.extend_from_slice(&line[taken..]);
        true
    }
}

impl<Fd: AsFd> io::Write for LineWriter<Fd> {
    /// Always takes the whole line, since the caller would only try again.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
