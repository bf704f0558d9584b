//! Lines to a sink: whole and in order, or dropped and counted.
//!
//! Owns the audit lines kept for a sink that is full, the count of dropped lines, and the rest of a
//! partly written line. It never blocks and never fails.

use std::collections::VecDeque;
use std::os::fd::AsFd;

use super::dropped::DroppedLines;
use super::sink::Sink;
use super::{LineFormat, json, text};

/// Bytes of kept lines up to which a further audit line is kept. Refusals get less: a peer without
/// any permission can cause them, and must not displace the calls that changed something.
const ROOM_FOR_CALLS: usize = 64 * 1024;
const ROOM_FOR_REFUSALS: usize = 16 * 1024;

/// What happens to a line that the sink does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Importance {
    /// It is dropped.
    Ordinary,
    /// An audit line about a refusal: it is kept, in a little room.
    Refusal,
    /// An audit line about a call that may have changed something: it is kept.
    Call,
}

/// Writes lines to a sink.
#[derive(Debug)]
pub(super) struct LineWriter<Fd> {
    sink: Sink<Fd>,
    format: LineFormat,
    /// The rest of a line that the sink took in part, as terminals do. It is written first.
    rest: Vec<u8>,
    /// Audit lines for which the sink had no room.
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    /// Dropped lines that no line has reported yet.
    dropped: DroppedLines,
}

impl<Fd: AsFd> LineWriter<Fd> {
    pub(super) fn new(sink: Sink<Fd>, format: LineFormat) -> Self {
        Self {
            sink,
            format,
            rest: Vec::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            dropped: DroppedLines::default(),
        }
    }

    /// Writes, keeps or drops a line. True: it is kept, so [`Self::flush`] has to be called later.
    pub(super) fn line(&mut self, importance: Importance, line: &[u8]) -> bool {
        if self.flush() && self.write_line(line) {
            return false;
        }
        let room = match importance {
            Importance::Ordinary => 0,
            Importance::Refusal => ROOM_FOR_REFUSALS,
            Importance::Call => ROOM_FOR_CALLS,
        };
        if self.kept_bytes + line.len() <= room {
            self.kept_bytes += line.len();
            self.kept.push_back(line.to_vec());
            return true;
        }
        self.dropped.add(importance != Importance::Ordinary);
        false
    }

    /// Writes what was not written before. Whether nothing of it is left.
    pub(super) fn flush(&mut self) -> bool {
        self.write_kept() && self.report_dropped()
    }

    /// Whether the last line is complete now.
    fn finish_rest(&mut self) -> bool {
        if !self.rest.is_empty() {
            let written = self.sink.write(&self.rest);
            self.rest.drain(..written);
        }
        self.rest.is_empty()
    }

    /// Whether no kept line is left.
    fn write_kept(&mut self) -> bool {
        while self.finish_rest() {
            let Some(line) = self.kept.pop_front() else {
                return true;
            };
            if !self.write_line(&line) {
                self.kept.push_front(line);
                return false;
            }
            self.kept_bytes -= line.len();
        }
        false
    }

    /// Whether no dropped line is left to report.
    fn report_dropped(&mut self) -> bool {
        if self.dropped.all == 0 {
            return true;
        }
        let line = match self.format {
            LineFormat::Text(head) => text::dropped(head, self.dropped),
            LineFormat::Json => json::dropped(self.dropped),
        };
        if !self.write_line(line.as_bytes()) {
            return false;
        }
        self.dropped = DroppedLines::default();
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
