//! Counts of log lines that stderr did not take.
//!
//! Owns the totals of the process, for its metrics. It never drops a line.

use std::sync::atomic::{AtomicU64, Ordering};

static ALL: AtomicU64 = AtomicU64::new(0);
static AUDIT: AtomicU64 = AtomicU64::new(0);

/// A number of dropped lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DroppedLines {
    /// All of them.
    pub all: u64,
    /// The audit lines among them.
    pub audit: u64,
}

impl DroppedLines {
    /// Counts a line, here and in the totals of the process.
    pub(super) fn add(&mut self, is_audit: bool) {
        let audit = u64::from(is_audit);
        self.all = self.all.saturating_add(1);
        self.audit = self.audit.saturating_add(audit);
        ALL.fetch_add(1, Ordering::Relaxed);
        AUDIT.fetch_add(audit, Ordering::Relaxed);
    }
}

/// The lines that this process has dropped since its start.
#[must_use]
pub fn dropped_lines() -> DroppedLines {
    DroppedLines {
        all: ALL.load(Ordering::Relaxed),
        audit: AUDIT.load(Ordering::Relaxed),
    }
}
