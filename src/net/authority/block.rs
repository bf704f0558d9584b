//! Rewrites a field block without its `:authority` (RFC 7541, sections 5 and 6).
//!
//! Owns the representations of fields. Each `:authority` becomes a literal that h2 does not index;
//! the indexes of the other entries follow. A `:path` with a fragment gets a second `:path`, with
//! which h2 refuses the request. It never changes another field.

use super::huffman;
use super::table::{ClientTable, Field, Reference};

const NAME: &[u8] = b":authority";
/// The same name, Huffman-coded. The code has one form of each string.
const CODED_NAME: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

const PATH: &[u8] = b":path";
const CODED_PATH: &[u8] = &[0xb9, 0x58, 0xd3, 0x3f];

/// `:path: /`, a literal without indexing. Behind another `:path` it is malformed (RFC 9113,
/// section 8.3), and so is the fragment of the other one (section 8.3.1), which h2 would cut off.
const SECOND_PATH: &[u8] = b"\x04\x01/";

/// `:authority: localhost`, a literal without indexing (RFC 7541, section 6.2.2).
const LOCALHOST: &[u8] = b"\x01\x09localhost";

/// h2 refuses a request with two `:authority` (RFC 9113, section 8.3); more would only cost memory.
const MAX_AUTHORITIES: usize = 2;

/// The new block. `None`: the block is malformed, and h2 closes the connection.
pub(super) fn rewrite(table: &mut ClientTable, block: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { rest: block };
    let mut out = Vec::with_capacity(block.len() + 2 * LOCALHOST.len());
    let mut authorities = 0;
    let mut fragment = false;
    while let [first, ..] = *reader.rest {
        let field = reader.rest;
        let found = match first {
            0x80.. => indexed(table, &mut reader, &mut out)?,
            0x40.. => literal(table, &mut reader, true, &mut out)?,
            0x20.. => {
                table.resize(reader.integer(5)?)?;
                out.extend_from_slice(before(field, reader.rest)?);
                Field::Other
            }
            _ => literal(table, &mut reader, false, &mut out)?,
        };
        if found == Field::Authority && authorities < MAX_AUTHORITIES {
            authorities += 1;
            out.extend_from_slice(LOCALHOST);
        }
        fragment |= found == Field::Path { fragment: true };
    }
    if fragment {
        out.extend_from_slice(SECOND_PATH);
    }
    Some(out)
}

/// Section 6.1. Returns the field; an `:authority` is not written.
fn indexed(table: &ClientTable, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Option<Field> {
    let index = reader.integer(7)?;
    Some(match table.get(index)? {
        Reference::Authority => Field::Authority,
        Reference::Kept { index, field, .. } => {
            write_integer(0x80, 7, index, out);
            field
        }
    })
}

/// Section 6.2. Returns the field; an `:authority` is not written.
fn literal(
    table: &mut ClientTable,
    reader: &mut Reader<'_>,
    inserts: bool,
    out: &mut Vec<u8>,
) -> Option<Field> {
    let bits = if inserts { 6 } else { 4 };
    let pattern = reader.rest.first()? & !prefix_mask(bits);
    let index = reader.integer(bits)?;
    let strings = reader.rest;
    let (name, new_index, kind) = if index == 0 {
        let name = reader.string()?;
        let is = |plain: &[u8], coded: &[u8]| name.octets == if name.coded { coded } else { plain };
        let (length, _) = name.scan()?;
        if is(NAME, CODED_NAME) && !table.keeps_authority {
            (length, 0, Field::Authority)
        } else if is(PATH, CODED_PATH) {
            (length, 0, Field::Path { fragment: false })
        } else {
            (length, 0, Field::Other)
        }
    } else {
        match table.get(index)? {
            Reference::Authority => (NAME.len(), 0, Field::Authority),
            Reference::Kept { name, index, field } => (name, index, field),
        }
    };
    let value = reader.string()?;
    let is_path = matches!(kind, Field::Path { .. });
    // A value that is neither indexed nor a path is for h2 to judge.
    let (length, fragment) = match inserts || is_path {
        true => value.scan()?,
        false => (0, false),
    };
    let field = match kind {
        Field::Path { .. } => Field::Path { fragment },
        Field::Authority | Field::Other => kind,
    };
    if inserts {
        table.insert(name, length, field);
    }
    if field != Field::Authority {
        write_integer(pattern, bits, new_index, out);
        out.extend_from_slice(before(strings, reader.rest)?);
    }
    Some(field)
}

/// A string as it was sent (RFC 7541, section 5.2).
#[derive(Clone, Copy)]
struct Literal<'a> {
    coded: bool,
    octets: &'a [u8],
}

impl Literal<'_> {
    /// The decoded length, and whether the string holds `#`. `None`: the code is invalid.
    fn scan(self) -> Option<(usize, bool)> {
        if self.coded {
            huffman::scan(self.octets)
        } else {
            Some((self.octets.len(), self.octets.contains(&b'#')))
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
