//! Follows a header block byte by byte, and rewrites the value of `:authority` in it.
//!
//! Owns the encoding of fields, RFC 7541 sections 5 and 6, without any table: only a literal is of
//! interest. It never decodes a string and never changes a length.

/// Where in a header block the next byte stands. A block may go on over several frames.
#[derive(Debug, Clone, Copy)]
pub(super) enum HeaderBlock {
    /// The first byte of a field, or of a table size update.
    Start,
    /// More bytes of an indexed field or of a table size.
    Number,
    /// More bytes of the index of a name; that of `:authority` needs none.
    NameIndex,
    /// The length of a string.
    Length { of: StringLiteral },
    /// More bytes of the length of a string.
    LengthMore {
        of: StringLiteral,
        length: u32,
        shift: u32,
    },
    /// A name, compared as it comes.
    Name { left: u32, read: usize, same: bool },
    /// A value, rewritten if it is that of `:authority`.
    Value { left: u32, authority: bool },
}

/// Which string of a field, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum StringLiteral {
    Name { plain: bool },
    Value { authority: bool, plain: bool },
}

const AUTHORITY: &[u8] = b":authority";
/// The index of `:authority` in the static table, RFC 7541 appendix A.
const AUTHORITY_INDEX: u8 = 1;

impl HeaderBlock {
    /// Takes one byte, rewrites it if it must be, and says where the next one stands. `None`: no
    /// block is encoded like this.
    pub(super) fn step(self, byte: &mut u8) -> Option<Self> {
        let read = *byte;
        match self {
            Self::Start => Some(Self::first(read)),
            Self::Number if read & 0x80 == 0 => Some(Self::Start),
            Self::Number => Some(self),
            Self::NameIndex if read & 0x80 == 0 => Some(value_of(false)),
            Self::NameIndex => Some(self),
            Self::Length { of } => {
                let of = of.coded(read & 0x80 != 0);
                let length = u32::from(read & 0x7f);
                if length < 0x7f {
                    return Some(of.begin(length));
                }
                let shift = 0;
                Some(Self::LengthMore { of, length, shift })
            }
            Self::LengthMore { of, length, shift } => {
                // Longer than any frame: h2 ends such a connection.
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
                // What the C core leaves of a path and h2 does not take: `%` (outside of user
                // information), and more than one of the others or one in a wrong place.
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

    /// The first byte of a field, RFC 7541 section 6.
    fn first(byte: u8) -> Self {
        // The widest run of ones means that the number goes on.
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
    /// Notes whether the string is Huffman-coded. The C core codes none, so such strings pass.
    fn coded(self, huffman: bool) -> Self {
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
