//! Rewrites a field block without its `:authority` (RFC 7541, sections 5 and 6).
//!
//! Owns the representations of fields. Each `:authority` becomes a literal that h2 does not index;
//! the indexes of the other entries follow. It never changes another field.

use super::huffman;
use super::table::{ClientTable, Reference};

const NAME: &[u8] = b":authority";
/// The same name, Huffman-coded. The code has one form of each string.
const CODED_NAME: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// `:authority: localhost`, a literal without indexing (RFC 7541, section 6.2.2).
const LOCALHOST: &[u8] = b"\x01\x09localhost";

/// h2 refuses a request with two `:authority` (RFC 9113, section 8.3); more would only cost memory.
const MAX_AUTHORITIES: usize = 2;

/// The new block. `None`: the block is malformed, and h2 closes the connection.
pub(super) fn rewrite(table: &mut ClientTable, block: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { rest: block };
    let mut out = Vec::with_capacity(block.len() + 2 * LOCALHOST.len());
    let mut authorities = 0;
    while let [first, ..] = *reader.rest {
        let field = reader.rest;
        let is_authority = match first {
            0x80.. => indexed(table, &mut reader, &mut out)?,
            0x40.. => literal(table, &mut reader, true, &mut out)?,
            0x20.. => {
                table.resize(reader.integer(5)?)?;
                out.extend_from_slice(before(field, reader.rest)?);
                false
            }
            _ => literal(table, &mut reader, false, &mut out)?,
        };
        if is_authority && authorities < MAX_AUTHORITIES {
            authorities += 1;
            out.extend_from_slice(LOCALHOST);
        }
    }
    Some(out)
}

/// Section 6.1. Returns whether the field is `:authority`, which is then not written.
fn indexed(table: &ClientTable, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Option<bool> {
    let index = reader.integer(7)?;
    Some(match table.get(index)? {
        Reference::Authority => true,
        Reference::Other { index, .. } => {
            write_integer(0x80, 7, index, out);
            false
        }
    })
}

/// Section 6.2. Returns whether the field is `:authority`, which is then not written.
fn literal(
    table: &mut ClientTable,
    reader: &mut Reader<'_>,
    inserts: bool,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let bits = if inserts { 6 } else { 4 };
    let pattern = reader.rest.first()? & !prefix_mask(bits);
    let index = reader.integer(bits)?;
    let strings = reader.rest;
    let (name, new_index) = if index == 0 {
        let name = reader.string()?;
        match name {
            Literal {
                coded: false,
                octets: NAME,
            }
            | Literal {
                coded: true,
                octets: CODED_NAME,
            } => (NAME.len(), None),
            other => (other.decoded_length()?, Some(0)),
        }
    } else {
        match table.get(index)? {
            Reference::Authority => (NAME.len(), None),
            Reference::Other { name, index } => (name, Some(index)),
        }
    };
    let value = reader.string()?;
    if inserts {
        table.insert(name, value.decoded_length()?, new_index.is_none());
    }
    if let Some(index) = new_index {
        write_integer(pattern, bits, index, out);
        out.extend_from_slice(before(strings, reader.rest)?);
    }
    Some(new_index.is_none())
}

/// A string as it was sent (RFC 7541, section 5.2).
#[derive(Clone, Copy)]
struct Literal<'a> {
    coded: bool,
    octets: &'a [u8],
}

impl Literal<'_> {
    fn decoded_length(self) -> Option<usize> {
        if self.coded {
            huffman::decoded_length(self.octets)
        } else {
            Some(self.octets.len())
        }
    }
}

/// Reads a block from its front.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// An integer with a prefix of so many bits (RFC 7541, section 5.1). `None`: it does not end,
    /// or is longer than any block.
    fn integer(&mut self, bits: u32) -> Option<usize> {
        let mask = prefix_mask(bits);
        let mut value = usize::from(self.byte()? & mask);
        if value < usize::from(mask) {
            return Some(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn string(&mut self) -> Option<Literal<'a>> {
        let coded = self.rest.first()? & 0x80 != 0;
        let length = self.integer(7)?;
        let (octets, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Literal { coded, octets })
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }
}

/// The part of `whole` in front of `rest`, which ends it.
fn before<'a>(whole: &'a [u8], rest: &[u8]) -> Option<&'a [u8]> {
    whole.get(..whole.len().checked_sub(rest.len())?)
}

const fn prefix_mask(bits: u32) -> u8 {
    0xff >> (8 - bits)
}

/// Writes an integer behind the pattern of its representation (RFC 7541, section 5.1).
fn write_integer(pattern: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let mask = usize::from(prefix_mask(bits));
    let low = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    if value < mask {
        return out.push(pattern | low(value));
    }
    out.push(pattern | low(mask));
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}
