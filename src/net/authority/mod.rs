//! Makes the `:authority` of a local gRPC client acceptable to h2.
//!
//! grpc-python and the other clients over gRPC's C core send the percent-encoded path of a socket file
//! as `:authority`, and h2 refuses the request before we see it. This filter sits below h2 on unix
//! listeners and writes a dash over each byte that h2 would stumble on. Lengths stay as they are, so
//! frames and HPACK tables keep their sizes. It owns that and nothing else: it never touches another
//! field, never buffers, and never refuses a connection. What it cannot follow it lets pass, for h2 to judge.
//!
//! Frames: RFC 9113 section 4.1. Header blocks are in `block.rs`.

mod block;

use block::HeaderBlock;

const PREFACE: u8 = 24;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Rewrites what a client sends, from the first byte of its connection on.
#[derive(Debug)]
pub struct AuthorityFilter {
    state: FilterState,
    block: HeaderBlock,
}

/// Where in the stream of frames the next byte stands.
#[derive(Debug, Clone, Copy)]
enum FilterState {
    Preface {
        left: u8,
    },
    Header {
        bytes: [u8; 9],
        read: usize,
    },
    /// The first byte of a padded frame.
    PadLength {
        payload: u32,
        priority: bool,
        ends: bool,
    },
    /// The deprecated priority fields before a block.
    Priority {
        left: u8,
        block: u32,
        padding: u32,
        ends: bool,
    },
    HeaderBlock {
        left: u32,
        padding: u32,
        ends: bool,
    },
    Skip {
        left: u32,
    },
    /// This is not HTTP/2 as we know it.
    Off,
}

impl AuthorityFilter {
    /// A filter for a connection that has not said anything yet.
    pub fn new() -> Self {
        Self {
            state: FilterState::Preface { left: PREFACE },
            block: HeaderBlock::Start,
        }
    }

    /// Rewrites the next bytes of the connection in place.
    pub fn apply(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            // Bodies are stepped over whole.
            if let FilterState::Skip { left } = self.state {
                let step = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let taken = u32::try_from(step).unwrap_or(left);
                self.state = skip(left - taken);
                bytes = bytes.get_mut(step..).unwrap_or_default();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first_mut() else {
                return;
            };
            match self.step(byte) {
                Some(state) => self.state = state,
                None => self.state = FilterState::Off,
            }
            if matches!(self.state, FilterState::Off) {
                return;
            }
            bytes = rest;
        }
    }

    fn step(&mut self, byte: &mut u8) -> Option<FilterState> {
        match self.state {
            FilterState::Preface { left } => Some(match left {
                0 | 1 => frame(),
                left => FilterState::Preface { left: left - 1 },
            }),
            FilterState::Header { mut bytes, read } => {
                *bytes.get_mut(read)? = *byte;
                if read + 1 < bytes.len() {
                    let read = read + 1;
                    return Some(FilterState::Header { bytes, read });
                }
                self.header(bytes)
            }
            FilterState::PadLength {
                payload,
                priority,
                ends,
            } => {
                let padding = u32::from(*byte);
                self.begin(payload.checked_sub(padding)?, padding, priority, ends)
            }
            FilterState::Priority {
                left,
                block,
                padding,
                ends,
            } => match left {
                0 | 1 => Some(self.within(block, padding, ends)),
                left => Some(FilterState::Priority {
                    left: left - 1,
                    block,
                    padding,
                    ends,
                }),
            },
            FilterState::HeaderBlock {
                left,
                padding,
                ends,
            } => {
                self.block = self.block.step(byte)?;
                Some(self.within(left.checked_sub(1)?, padding, ends))
            }
            FilterState::Skip { left } => Some(skip(left.saturating_sub(1))),
            FilterState::Off => None,
        }
    }

    /// A frame header is complete.
    fn header(&mut self, bytes: [u8; 9]) -> Option<FilterState> {
        let [a, b, c, kind, flags, ..] = bytes;
        let payload = u32::from_be_bytes([0, a, b, c]);
        let ends = flags & END_HEADERS != 0;
        match kind {
            HEADERS => {
                self.block = HeaderBlock::Start;
                let priority = flags & PRIORITY != 0;
                if flags & PADDED != 0 {
                    let payload = payload.checked_sub(1)?;
                    return Some(FilterState::PadLength {
                        payload,
                        priority,
                        ends,
                    });
                }
                self.begin(payload, 0, priority, ends)
            }
            CONTINUATION => Some(self.within(payload, 0, ends)),
            _ => Some(skip(payload)),
        }
    }

    /// The payload of a HEADERS frame begins, its padding aside.
    fn begin(
        &mut self,
        payload: u32,
        padding: u32,
        priority: bool,
        ends: bool,
    ) -> Option<FilterState> {
        if !priority {
            return Some(self.within(payload, padding, ends));
        }
        Some(FilterState::Priority {
            left: 5,
            block: payload.checked_sub(5)?,
            padding,
            ends,
        })
    }

    /// Inside a frame's part of a block, of which `left` bytes are to come.
    fn within(&mut self, left: u32, padding: u32, ends: bool) -> FilterState {
        if left > 0 {
            return FilterState::HeaderBlock {
                left,
                padding,
                ends,
            };
        }
        if ends {
            self.block = HeaderBlock::Start;
        }
        skip(padding)
    }
}

impl Default for AuthorityFilter {
    fn default() -> Self {
        Self::new()
    }
}

fn frame() -> FilterState {
    FilterState::Header {
        bytes: [0; 9],
        read: 0,
    }
}

fn skip(left: u32) -> FilterState {
    match left {
        0 => frame(),
        left => FilterState::Skip { left },
    }
}

#[cfg(test)]
mod tests;
