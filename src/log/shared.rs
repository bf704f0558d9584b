//! The one writer of the process, shared by every logging thread.
//!
//! Owns its lock, the importance of each line, and the task that writes kept lines once stderr is
//! read again. It never formats a line.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::writer::{Importance, LineWriter};
use crate::clock::Clock;

/// The target of audit lines: their module.
const AUDIT_TARGET: &str = "process_wrapper::service::audit";

/// The field of lines that are throttled, because a peer can cause any number of them.
const HELD_BACK: &str = "held_back";

/// The intervals at which kept lines are tried again: the first, and the longest. No event tells
/// portably that a shared descriptor has room again.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// A writer that threads share. Clones write to the same sink.
#[derive(Debug)]
pub(super) struct SharedWriter<Fd>(Arc<Shared<Fd>>);

#[derive(Debug)]
struct Shared<Fd> {
    lines: Mutex<LineWriter<Fd>>,
    kept: Event,
}

/// Writes the audit lines that stderr had no room for.
#[derive(Debug)]
pub struct KeptLines<Fd = io::Stderr>(SharedWriter<Fd>);

impl<Fd: AsFd> SharedWriter<Fd> {
    pub(super) fn new(lines: LineWriter<Fd>) -> Self {
        Self(Arc::new(Shared {
            lines: Mutex::new(lines),
            kept: Event::new(),
        }))
    }

    pub(super) fn kept_lines(&self) -> KeptLines<Fd> {
        KeptLines(Self(Arc::clone(&self.0)))
    }

    fn lock(&self) -> MutexGuard<'_, LineWriter<Fd>> {
        let lines = &self.0.lines;
        lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Fd: AsFd> KeptLines<Fd> {
    /// Writes kept lines for as long as the task lives. It sleeps while none is kept.
    pub async fn write<C: Clock>(self, clock: C) {
        let Self(shared) = self;
        let mut retry = FIRST_RETRY;
        loop {
            let kept = shared.0.kept.listen();
            if shared.lock().flush() {
                retry = FIRST_RETRY;
                kept.await;
            } else {
                clock.sleep(retry).await;
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        }
    }
}

/// Takes one line of a known importance per `write`.
pub(super) struct LineSlot<'a, Fd> {
    shared: &'a SharedWriter<Fd>,
    importance: Importance,
}

impl<'a, Fd: AsFd + 'a> MakeWriter<'a> for SharedWriter<Fd> {
    type Writer = LineSlot<'a, Fd>;

    fn make_writer(&'a self) -> Self::Writer {
        LineSlot {
            shared: self,
            importance: Importance::Ordinary,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        LineSlot {
            shared: self,
            importance: importance(metadata),
        }
    }
}

fn importance(metadata: &Metadata<'_>) -> Importance {
    if metadata.target() != AUDIT_TARGET {
        Importance::Ordinary
    } else if metadata.fields().field(HELD_BACK).is_some() {
        Importance::Refusal
    } else {
        Importance::Call
    }
}

impl<Fd: AsFd> io::Write for LineSlot<'_, Fd> {
    /// Always takes the whole line: the caller would write the rest again.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_kept = self.shared.lock().line(self.importance, line);
        if is_kept {
            self.shared.0.kept.notify(usize::MAX);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
