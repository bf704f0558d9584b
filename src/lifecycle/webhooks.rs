//! The progress of the webhooks.
//!
//! Owns which accepted webhooks wait, are being delivered, or have ended, by their slots in the
//! registry. It never knows a URL and never sends a request.

use std::collections::BTreeMap;

/// The maximum number of webhooks. One deployment tool registers one. The limit keeps a caller from
/// filling memory and calling the whole network.
pub const MAX_WEBHOOKS: u8 = 16;

/// The slot of a webhook in the registry. A URL keeps its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// The first one.
    pub const FIRST: Self = Self(0);

    /// All slots, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MAX_WEBHOOKS).map(Self)
    }

    /// The index, from 0.
    pub fn index(self) -> u8 {
        self.0
    }
}

/// The progress of one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Progress {
    /// Its delivery begins once the process is gone.
    Waiting,
    /// Its delivery is under way.
    Armed,
    /// The receiver accepted it.
    Delivered,
    /// Its delivery was given up.
    Failed,
}

/// The accepted webhooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Webhooks {
    progress: BTreeMap<Slot, Progress>,
    /// Whether webhooks of an earlier wrapper are being delivered.
    recovered: bool,
}

impl Webhooks {
    /// A webhook was accepted. A failed one waits again.
    pub(super) fn wait(&mut self, slot: Slot) {
        let progress = self.progress.entry(slot).or_insert(Progress::Waiting);
        if *progress == Progress::Failed {
            *progress = Progress::Waiting;
        }
    }

    /// Begins the delivery of each webhook that waits, and returns their slots.
    pub(super) fn arm(&mut self) -> Vec<Slot> {
        let mut due = Vec::new();
        for (slot, progress) in &mut self.progress {
            if *progress == Progress::Waiting {
                *progress = Progress::Armed;
                due.push(*slot);
            }
        }
        due
    }

    /// A delivery under way has ended.
    pub(super) fn end(&mut self, slot: Slot, delivered: bool) {
        if let Some(progress) = self.progress.get_mut(&slot)
            && *progress == Progress::Armed
        {
            *progress = if delivered {
                Progress::Delivered
            } else {
                Progress::Failed
            };
        }
    }

    /// Deliveries for an earlier wrapper have begun, or the last of them has ended.
    pub(super) fn set_recovered(&mut self, under_way: bool) {
        self.recovered = under_way;
    }

    /// Whether a delivery is under way.
    pub(super) fn are_armed(&self) -> bool {
        self.recovered
            || self
                .progress
                .values()
                .any(|progress| *progress == Progress::Armed)
    }
}
