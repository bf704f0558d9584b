//! Follows a header block byte by byte, and rewrites the value of `:authority` in it.
//!
//! Owns the encoding of fields (RFC 7541, sections 5 and 6), without any table: only literals
//! matter. It never decodes a string and never changes a length.

/// The position of the next byte in a header block, which may span several frames.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeaderBlock {
    /// The first byte of a field, or of a table size update.
    Start,
    /// More bytes of an indexed field or of a table size.
    Number,
    /// More bytes of the index of a name; the index of `:authority` has one byte.
    NameIndex,
    /// The length of a string.
    Length { of: StringLiteral },
    /// More bytes of the length of a string.
    LengthMore {
        of: StringLiteral,
        length: u32,
        shift: u32,
    },
    /// A name, compared byte by byte.
    Name { left: u32, read: usize, same: bool },
    /// A value, rewritten if the name is `:authority`.
    Value { left: u32, authority: bool },
}

/// A string of a field, and whether it is to be compared or rewritten.
#[derive(Debug, Clone, Copy)]
pub(super) enum StringLiteral {
    Name { plain: bool },
    Value { authority: bool, plain: bool },
}

const AUTHORITY: &[u8] = b":authority";
/// The index of `:authority` in the static table (RFC 7541, appendix A).
const AUTHORITY_INDEX: u8 = 1;

impl HeaderBlock {
    /// Follows one byte, and rewrites it in the value of `:authority`. `None`: malformed.
    pub(super) fn step(self, byte: &mut u8) -> Option<Self> {
        let read = *byte;
        match self {
            Self::Start => Some(Self::first(read)),
            Self::Number if read & 0x80 == 0 => Some(Self::Start),
            Self::Number => Some(self),
            Self::NameIndex if read & 0x80 == 0 => Some(value_of(false)),
            Self::NameIndex => Some(self),
            Self::Length { of } => {
                let of = of.with_coding(read & 0x80 != 0);
                let length = u32::from(read & 0x7f);
                if length < 0x7f {
                    return Some(of.begin(length));
                }
                let shift = 0;
                Some(Self::LengthMore { of, length, shift })
            }
            Self::LengthMore { of, length, shift } => {
                // Longer than any frame: h2 closes the connection.
                if shift > 21 {
                    return None;
                }
                let length = length.checked_add(u32::from(read & 0x7f) << shift)?;
                if read & 0x80 == 0 {
                    return Some(of.begin(length));
                }
                let shift = shift + 7;
                Some(Self::LengthMore { of, length, shift })
            }
            Self::Name {
                left,
                read: at,
                same,
            } => {
                let same = same && AUTHORITY.get(at) == Some(&read);
                Some(match left {
                    0 | 1 => value_of(same && at + 1 == AUTHORITY.len()),
                    left => Self::Name {
                        left: left - 1,
                        read: at + 1,
                        same,
                    },
                })
            }
            Self::Value { left, authority } => {
                // Bytes that the C core leaves unescaped in a path, or makes by escaping, and that
                // h2 refuses: `%`, and several of the others or one in the wrong place.
                if authority && matches!(read, b'%' | b':' | b'@' | b'[' | b']') {
                    *byte = b'-';
                }
                Some(match left {
                    0 | 1 => Self::Start,
                    left => Self::Value {
                        left: left - 1,
                        authority,
                    },
                })
            }
        }
    }

    /// The first byte of a field (RFC 7541, section 6).
    fn first(byte: u8) -> Self {
        // A prefix of all ones means that the number continues.
        let (mask, literal) = match byte {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        match (byte & mask, literal) {
            (number, false) if number == mask => Self::Number,
            (_, false) => Self::Start,
            (0, true) => Self::Length {
                of: StringLiteral::Name { plain: true },
            },
            (number, true) if number == mask => Self::NameIndex,
            (number, true) => value_of(number == AUTHORITY_INDEX),
        }
    }
}

fn value_of(authority: bool) -> HeaderBlock {
    HeaderBlock::Length {
        of: StringLiteral::Value {
            authority,
            plain: true,
        },
    }
}

impl StringLiteral {
    /// Records whether the string is Huffman-coded. The C core codes none, so such strings pass.
    fn with_coding(self, huffman: bool) -> Self {
        match self {
            Self::Name { .. } => Self::Name { plain: !huffman },
            Self::Value { authority, .. } => Self::Value {
                authority,
                plain: !huffman,
            },
        }
    }

    fn begin(self, length: u32) -> HeaderBlock {
        match (self, length) {
            (Self::Name { .. }, 0) => value_of(false),
            (Self::Name { plain }, left) => HeaderBlock::Name {
                left,
                read: 0,
                same: plain,
            },
            (Self::Value { .. }, 0) => HeaderBlock::Start,
            (Self::Value { authority, plain }, left) => HeaderBlock::Value {
                left,
                authority: authority && plain,
            },
        }
    }
}
