//! Makes the `:authority` of a local gRPC client acceptable to h2.
//!
//! A socket file has no host, so clients send what they have: its path, percent-encoded or not,
//! Huffman-coded or not, or nothing. h2 refuses most of these requests before we see them. This
//! filter, below h2, replaces each `:authority` on unix listeners with `localhost`. On all
//! listeners it makes h2 refuse a `:path` with a fragment (`#`), which h2 would cut off: a proxy
//! in front may judge the whole.
//!
//! Owns HEADERS and CONTINUATION frames (RFC 9113, sections 6.2 and 6.10): it joins the fragments
//! of a field block, removes padding, and splits the new block. It never changes another field and
//! never refuses a connection: malformed and oversized blocks pass, for h2 to judge. `block`
//! follows the fields, `table` the dynamic table of the client, `huffman` the lengths of coded
//! strings, `reads` the bytes between the socket and h2.

mod block;
mod huffman;
mod reads;
mod table;

pub use reads::FilteredReads;

use crate::grpc::rules::frames::{FrameHeader, FrameKind, FrameScanner, ScannedPart};
use table::ClientTable;

const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const CONTINUATION: u8 = 0x9;

/// The maximum payload of a frame that h2 takes by default, in octets (RFC 9113, section 6.5.2).
const MAX_FRAME: usize = 16 * 1024;

/// The maximum field block that the filter holds, in octets. h2 refuses requests with a quarter of
/// it, so a longer block is left to h2.
const MAX_BLOCK: usize = 4 * MAX_FRAME;

/// The maximum CONTINUATION frames of one block that the filter joins. h2 counts the others.
const MAX_CONTINUATIONS: u32 = 16;

/// Rewrites the bytes of one client, from the preface on.
#[derive(Debug, Default)]
pub struct AuthorityFilter {
    frames: FrameScanner,
    /// Where the payload goes that the scanner finds next.
    payload: Payload,
    /// The field block that is not complete yet.
    block: Option<HeldBlock>,
    table: ClientTable,
}

/// What becomes of the present frame's payload.
#[derive(Debug, Default, Clone, Copy)]
enum Payload {
    /// It passes.
    #[default]
    Passes,
    /// It is held: a part of a field block, with this flag of its end.
    Held { missing: usize, ends: bool },
    /// It passes, and so does the rest of the connection: h2 closes it, or reads it as it is.
    AllPasses,
}

/// A field block, from its HEADERS frame on.
#[derive(Debug)]
struct HeldBlock {
    header: FrameHeader,
    /// The payload of HEADERS, then that of each CONTINUATION.
    bytes: Vec<u8>,
    /// The length of the payload of HEADERS.
    first: usize,
    continuations: u32,
}

impl AuthorityFilter {
    /// A filter for peers that have a host: their `:authority` passes.
    pub fn keeping_authority() -> Self {
        let mut filter = Self::default();
        filter.table.keeps_authority = true;
        filter
    }

    /// Rewrites the next bytes of the connection, and appends them to `out` as far as they are
    /// complete.
    pub fn apply(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if matches!(self.payload, Payload::AllPasses) {
                out.extend_from_slice(bytes);
                return;
            }
            let (taken, part) = self.frames.advance(bytes);
            let (scanned, rest) = bytes.split_at(taken);
            match part {
                ScannedPart::Preface => out.extend_from_slice(scanned),
                ScannedPart::Incomplete => {}
                ScannedPart::Header(header) => self.begin_frame(header, out),
                ScannedPart::Payload => self.continue_frame(scanned, out),
            }
            bytes = rest;
        }
    }

    fn begin_frame(&mut self, header: FrameHeader, out: &mut Vec<u8>) {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let (held, continuations) = match (header.kind, &mut self.block) {
            (FrameKind::Headers, None) => (0, 0),
            (FrameKind::Continuation, Some(block)) => {
                block.continuations += 1;
                (block.bytes.len(), block.continuations)
            }
            // A block between the frames of another, or without HEADERS: h2 closes the connection.
            (FrameKind::Headers, Some(_)) | (FrameKind::Continuation, None) => {
                return self.pass_all(header, out);
            }
            (FrameKind::Data | FrameKind::RstStream | FrameKind::Other, Some(_)) => {
                return self.pass_all(header, out);
            }
            (FrameKind::Data | FrameKind::RstStream | FrameKind::Other, None) => {
                self.payload = Payload::Passes;
                out.extend(header.octets);
                return;
            }
        };
        if length > MAX_FRAME || held + length > MAX_BLOCK || continuations > MAX_CONTINUATIONS {
            return self.pass_all(header, out);
        }
        self.block.get_or_insert_with(|| HeldBlock {
            header,
            bytes: Vec::with_capacity(length),
            first: length,
            continuations: 0,
        });
        let ends = header.flags & END_HEADERS != 0;
        self.payload = Payload::Held {
            missing: length,
            ends,
        };
        if length == 0 {
            self.continue_frame(&[], out);
        }
    }

    fn continue_frame(&mut self, scanned: &[u8], out: &mut Vec<u8>) {
        let (Payload::Held { missing, ends }, Some(block)) = (self.payload, &mut self.block) else {
            out.extend_from_slice(scanned);
            return;
        };
        block.bytes.extend_from_slice(scanned);
        let missing = missing - scanned.len();
        self.payload = Payload::Held { missing, ends };
        if missing > 0 || !ends {
            return;
        }
        self.payload = Payload::Passes;
        let Some(block) = self.block.take() else {
            return;
        };
        let rewritten = block.fragments().and_then(|(priority, fragments)| {
            let fields = block::rewrite(&mut self.table, &fragments)?;
            Some((priority, fields))
        });
        match rewritten {
            Some((priority, fields)) => block.write(priority, &fields, out),
            None => {
                block.write_as_sent(true, out);
                self.payload = Payload::AllPasses;
            }
        }
    }

    /// Passes the held frames, this header, and the rest of the connection.
    fn pass_all(&mut self, header: FrameHeader, out: &mut Vec<u8>) {
        if let Some(block) = self.block.take() {
            block.write_as_sent(false, out);
        }
        out.extend(header.octets);
        self.payload = Payload::AllPasses;
    }
}

impl HeldBlock {
    /// The fields of PRIORITY in HEADERS, and the whole field block. `None`: the padding or the
    /// priority is longer than the frame.
    fn fragments(&self) -> Option<(&[u8], Vec<u8>)> {
        let (mut payload, continuations) = self.bytes.split_at_checked(self.first)?;
        if self.header.flags & PADDED != 0 {
            let (padding, rest) = payload.split_first()?;
            let end = rest.len().checked_sub(usize::from(*padding))?;
            payload = rest.get(..end)?;
        }
        let length = if self.header.flags & PRIORITY != 0 {
            5
        } else {
            0
        };
        let (priority, fragment) = payload.split_at_checked(length)?;
        Some((priority, [fragment, continuations].concat()))
    }

    /// Writes the frames of a new block.
    fn write(&self, priority: &[u8], fields: &[u8], out: &mut Vec<u8>) {
        let room = fields.len().min(MAX_FRAME - priority.len());
        let (first, mut rest) = fields.split_at(room);
        let [_, _, _, kind, flags, stream @ ..] = self.header.octets;
        let flags = flags & !(PADDED | END_HEADERS);
        let ends = |rest: &[u8]| if rest.is_empty() { END_HEADERS } else { 0 };
        write_header(
            priority.len() + room,
            [kind, flags | ends(rest)],
            stream,
            out,
        );
        out.extend_from_slice(priority);
        out.extend_from_slice(first);
        while !rest.is_empty() {
            let (next, after) = rest.split_at(rest.len().min(MAX_FRAME));
            write_header(next.len(), [CONTINUATION, ends(after)], stream, out);
            out.extend_from_slice(next);
            rest = after;
        }
    }

    /// Writes the payloads as they were sent; those of CONTINUATION frames are joined. `ends`: the
    /// block is complete.
    fn write_as_sent(&self, ends: bool, out: &mut Vec<u8>) {
        let (first, continuations) = self.bytes.split_at(self.first.min(self.bytes.len()));
        let [_, _, _, _, _, stream @ ..] = self.header.octets;
        out.extend(self.header.octets);
        out.extend_from_slice(first);
        let mut rest = continuations;
        let whole = self.header.flags & END_HEADERS != 0;
        while !whole && (!rest.is_empty() || ends) {
            let (next, after) = rest.split_at(rest.len().min(MAX_FRAME));
            let last = ends && after.is_empty();
            let flags = if last { END_HEADERS } else { 0 };
            write_header(next.len(), [CONTINUATION, flags], stream, out);
            out.extend_from_slice(next);
            rest = after;
            if last {
                break;
            }
        }
    }
}

fn write_header(length: usize, [kind, flags]: [u8; 2], stream: [u8; 4], out: &mut Vec<u8>) {
    let [.., a, b, c] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend([a, b, c, kind, flags]);
    out.extend(stream);
}

#[cfg(test)]
mod tests;
