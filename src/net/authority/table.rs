//! The client's dynamic table (RFC 7541, section 2.3.2), as `:authority` and `:path` need it.
//!
//! Owns which entries the client may refer to, their sizes, and the indexes of the same entries in
//! h2's table, which has no replaced `:authority`. It never holds a name or a value.

use std::collections::VecDeque;

/// The lengths of the names in the static table (RFC 7541, appendix A), from index 1 on.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14,
    16, 13, 12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10,
    25, 17, 10, 4, 3, 16,
];

/// The index of `:authority` in the static table.
pub(super) const AUTHORITY: usize = 1;

/// The indexes of `:path` in the static table.
const PATHS: std::ops::RangeInclusive<usize> = 4..=5;

/// The initial maximum of the table in octets (RFC 9113, section 6.5.2). h2 never raises it.
const MAX_SIZE: usize = 4096;

/// The overhead of an entry in octets (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

/// The entries of the client's table, the newest first.
#[derive(Debug)]
pub(super) struct ClientTable {
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// Whether `:authority` passes as it is.
    pub(super) keeps_authority: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    name: u16,
    value: u16,
    field: Field,
}

/// A field by what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// An `:authority` that is replaced.
    Authority,
    /// `:path`, and whether its value has a fragment.
    Path { fragment: bool },
    /// Another one, or an `:authority` that is kept.
    Other,
}

/// What an index of the client refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// `:authority`.
    Authority,
    /// Another field, with the length of its name, at this index of h2's.
    Kept {
        name: usize,
        index: usize,
        field: Field,
    },
}

impl Default for ClientTable {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            max_size: MAX_SIZE,
            keeps_authority: false,
        }
    }
}

impl ClientTable {
    /// Looks an index up (RFC 7541, section 2.3.3). `None`: nothing is there.
    pub(super) fn get(&self, index: usize) -> Option<Reference> {
        if index == AUTHORITY && !self.keeps_authority {
            return Some(Reference::Authority);
        }
        if let Some(name) = STATIC_NAMES.get(index.checked_sub(1)?) {
            let name = usize::from(*name);
            let field = match PATHS.contains(&index) {
                true => Field::Path { fragment: false },
                false => Field::Other,
            };
            return Some(Reference::Kept { name, index, field });
        }
        let position = index - STATIC_NAMES.len() - 1;
        let entry = self.entries.get(position)?;
        if entry.field == Field::Authority {
            return Some(Reference::Authority);
        }
        let newer = self.entries.iter().take(position);
        let absent = newer
            .filter(|entry| entry.field == Field::Authority)
            .count();
        Some(Reference::Kept {
            name: usize::from(entry.name),
            index: index - absent,
            field: entry.field,
        })
    }

    /// Adds an entry by the lengths of its name and value, and evicts for it (RFC 7541, section
    /// 4.4).
    pub(super) fn insert(&mut self, name: usize, value: usize, field: Field) {
        let size = name + value + OVERHEAD;
        self.evict(self.max_size.saturating_sub(size));
        if size > self.max_size {
            return;
        }
        // Both are below the maximum size, because the entry fits.
        let [name, value] = [name, value].map(|length| u16::try_from(length).unwrap_or(u16::MAX));
        self.entries.push_front(Entry { name, value, field });
        self.size += size;
    }

    /// Follows an update of the table's size (RFC 7541, section 6.3). `None`: above the maximum.
    pub(super) fn resize(&mut self, max_size: usize) -> Option<()> {
        if max_size > MAX_SIZE {
            return None;
        }
        self.max_size = max_size;
        self.evict(max_size);
        Some(())
    }

    fn evict(&mut self, remaining: usize) {
        while self.size > remaining {
            let Some(entry) = self.entries.pop_back() else {
                return;
            };
            self.size -= usize::from(entry.name) + usize::from(entry.value) + OVERHEAD;
        }
    }
}
