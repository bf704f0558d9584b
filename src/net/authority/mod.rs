//! Makes the `:authority` of a local gRPC client acceptable to h2.
//!
//! grpc-python and the other clients over gRPC's C core send the percent-encoded path of a socket
//! file as `:authority`, and h2 refuses the request before we see it. This filter, below h2 on unix
//! listeners, replaces each byte that h2 would refuse with a dash. It keeps all lengths, so frames
//! and HPACK tables keep their sizes.
//!
//! Owns the payload of HEADERS and CONTINUATION frames (RFC 9113, sections 6.2 and 6.10). It never
//! changes another field, never buffers, and never refuses a connection: malformed bytes pass, for
//! h2 to judge. `block` follows the fields.

mod block;

use block::HeaderBlock;

use crate::grpc::rules::frames::{FrameHeader, FrameKind, FrameScanner, ScannedPart};

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Rewrites the bytes of one client, from the preface on.
#[derive(Debug)]
pub struct AuthorityFilter {
    frames: FrameScanner,
    fragment: Option<BlockFragment>,
    block: HeaderBlock,
    /// The bytes are malformed: the filter passes the rest of the connection.
    off: bool,
}

/// Where a frame's payload has its part of a header block. Offsets count from the payload's start.
#[derive(Debug)]
struct BlockFragment {
    /// Offset of the next byte.
    offset: u32,
    start: u32,
    end: u32,
    /// The first byte is the length of the padding, which shortens `end`.
    padded: bool,
}

impl AuthorityFilter {
    /// A filter for a connection without bytes yet.
    pub fn new() -> Self {
        Self {
            frames: FrameScanner::default(),
            fragment: None,
            block: HeaderBlock::Start,
            off: false,
        }
    }

    /// Rewrites the next bytes of the connection in place.
    pub fn apply(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() && !self.off {
            let (taken, part) = self.frames.advance(bytes);
            let (scanned, rest) = bytes.split_at_mut(taken);
            let followed = match part {
                ScannedPart::Incomplete => Some(()),
                ScannedPart::Header(header) => self.begin_frame(header),
                ScannedPart::Payload => self.follow_payload(scanned),
            };
            self.off = followed.is_none();
            bytes = rest;
        }
    }

    /// `None`: the frame is malformed.
    fn begin_frame(&mut self, header: FrameHeader) -> Option<()> {
        self.fragment = match header.kind {
            FrameKind::Headers => {
                self.block = HeaderBlock::Start;
                let padded = header.flags & PADDED != 0;
                let priority = header.flags & PRIORITY != 0;
                let start = u32::from(padded) + if priority { 5 } else { 0 };
                if start > header.length {
                    return None;
                }
                Some(BlockFragment {
                    offset: 0,
                    start,
                    end: header.length,
                    padded,
                })
            }
            FrameKind::Continuation => Some(BlockFragment {
                offset: 0,
                start: 0,
                end: header.length,
                padded: false,
            }),
            FrameKind::Data | FrameKind::RstStream | FrameKind::Other => None,
        };
        Some(())
    }

    /// `None`: the payload is malformed.
    fn follow_payload(&mut self, payload: &mut [u8]) -> Option<()> {
        let Some(fragment) = &mut self.fragment else {
            return Some(());
        };
        for byte in payload {
            if fragment.padded && fragment.offset == 0 {
                let end = fragment.end.checked_sub(u32::from(*byte));
                fragment.end = end.filter(|end| *end >= fragment.start)?;
            } else if (fragment.start..fragment.end).contains(&fragment.offset) {
                self.block = self.block.step(byte)?;
            }
            fragment.offset += 1;
        }
        Some(())
    }
}

impl Default for AuthorityFilter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
