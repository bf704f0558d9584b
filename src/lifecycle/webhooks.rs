//! Which webhooks are owed.
//!
//! Owns how far each accepted webhook has come, by its place in the registry. It never knows where
//! one goes and never sends one; it says what is due, once for each.

use std::collections::BTreeMap;

/// How many webhooks there may be. One deployment tool registers one; the limit is what keeps a
/// caller from filling memory and calling the whole network.
pub const MAX_WEBHOOKS: u8 = 16;

/// The place of one webhook; the same URL always has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// All places there are, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..MAX_WEBHOOKS).map(Self)
    }

    /// Counted from 0.
    pub fn index(self) -> u8 {
        self.0
    }
}

/// How far one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Progress {
    /// It is due once the process is gone.
    Waiting,
    /// It is being delivered.
    Armed,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

/// All that were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Webhooks {
    progress: BTreeMap<Slot, Progress>,
}

impl Webhooks {
    /// One was accepted before it is due. Only one that had failed has to wait again.
    pub(super) fn wait(&mut self, slot: Slot) {
        let progress = self.progress.entry(slot).or_insert(Progress::Waiting);
        if *progress == Progress::Failed {
            *progress = Progress::Waiting;
        }
    }

    /// Everything that waits is due now; the answer is what that is.
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

    /// One that is being delivered has come to its end.
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

    /// Whether any is being delivered.
    pub(super) fn are_armed(&self) -> bool {
        self.progress
            .values()
            .any(|progress| *progress == Progress::Armed)
    }
}
