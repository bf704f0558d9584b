//! The filter that makes the `:authority` of local clients acceptable, against an HPACK decoder.

use loona_hpack::Decoder;
use process_wrapper::net::authority::AuthorityFilter;

use super::cursor::Cursor;
use super::http2::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Whatever a client sends, the cuts between reads do not matter. As long as a decoder accepts the
/// client's blocks, it also accepts the filter's, and finds the same fields in them, but
/// `localhost` for each `:authority` that is not kept, and a second `:path` after one with `#`.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let size = 1 + usize::from(cursor.byte());
    if cursor.bool() {
        let rest = cursor.rest();
        for keeps in [false, true] {
            compare(&mut Cursor::new(rest), size, keeps);
        }
    } else {
        let mut sent = PREFACE.to_vec();
        sent.extend(cursor.rest());
        for keeps in [false, true] {
            filtered(&sent, size, keeps);
        }
    }
}

fn compare(cursor: &mut Cursor<'_>, size: usize, keeps: bool) {
    let mut sent = PREFACE.to_vec();
    let mut expected = Vec::new();
    let mut client = Decoder::new();
    // As h2's: the client may not raise the size of its table (RFC 7541, section 4.2).
    client.set_max_allowed_table_size(4096);
    while !cursor.is_empty() {
        let block = fields(cursor);
        // A frame longer than 16 KiB passes as it is: h2 refuses it.
        if block.len() > 16 * 1024 - 16 {
            break;
        }
        let Ok(decoded) = client.decode(&block) else {
            break;
        };
        expected.push(replaced(decoded, keeps));
        let cuts = [cursor.byte(), cursor.byte()].map(|cut| usize::from(cut).min(block.len()));
        sent.extend(headers(&block, cuts, cursor.u8(..9), cursor.bool()));
        sent.extend(frame(PING, 0, 0, b"pingping"));
    }
    let passed = filtered(&sent, size, keeps);
    let mut server = Decoder::new();
    let blocks = blocks(&passed[PREFACE.len()..]);
    let found = blocks.iter().map(|block| server.decode(block).unwrap());
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// The fields that h2 is to see. More than two `:authority` are as wrong as two.
fn replaced(fields: Fields, keeps: bool) -> Fields {
    let marked = |(name, value): &(Vec<u8>, Vec<u8>)| name == b":path" && value.contains(&b'#');
    let second = fields
        .iter()
        .any(marked)
        .then(|| (b":path".to_vec(), b"/".to_vec()));
    let mut authorities = 0;
    let replace = |(name, value): (Vec<u8>, Vec<u8>)| {
        if keeps || name != b":authority" {
            return Some((name, value));
        }
        authorities += 1;
        (authorities < 3).then(|| (name, b"localhost".to_vec()))
    };
    fields
        .into_iter()
        .filter_map(replace)
        .chain(second)
        .collect()
}

fn filtered(sent: &[u8], size: usize, keeps: bool) -> Vec<u8> {
    let filter = |size: usize| {
        let mut filter = match keeps {
            true => AuthorityFilter::keeping_authority(),
            false => AuthorityFilter::default(),
        };
        let mut out = Vec::new();
        sent.chunks(size)
            .for_each(|part| filter.apply(part, &mut out));
        out
    };
    let passed = filter(usize::MAX);
    assert_eq!(filter(size), passed, "in parts of {size}");
    assert_eq!(filter(1), passed, "byte by byte");
    passed
}

/// The field blocks in frames of the filter.
fn blocks(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, rest @ ..] = frames {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let (payload, rest) = rest.split_at(usize::try_from(length).unwrap());
        frames = rest;
        match *kind {
            HEADERS => {
                assert_eq!(flags & PADDED, 0);
                let start = if flags & HAS_PRIORITY == 0 { 0 } else { 5 };
                blocks.push(payload[start..].to_vec());
            }
            CONTINUATION => blocks.last_mut().unwrap().extend(payload),
            other => assert_eq!(other, PING),
        }
    }
    blocks
}

/// A field block out of every representation, most of them valid.
fn fields(cursor: &mut Cursor<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    if cursor.u8(..8) == 0 {
        integer(&mut block, 0x20, 5, usize::from(cursor.u16() % 4200));
    }
    for _ in 0..cursor.u8(..8) {
        // Into the dynamic table now and then, `:authority` in many ways.
        let index = match cursor.u8(..4) {
            0 => 1,
            1 => usize::from(cursor.u8(1..62)),
            _ => usize::from(cursor.u8(62..70)),
        };
        let (pattern, bits) =
            [(0x80, 7), (0x40, 6), (0x40, 6), (0x10, 4), (0x00, 4)][usize::from(cursor.u8(..5))];
        let named = pattern == 0x80 || cursor.bool();
        integer(&mut block, pattern, bits, if named { index } else { 0 });
        if !named {
            let name = [b":authority", cursor.short()][usize::from(cursor.u8(..2))];
            text(cursor, &mut block, name);
        }
        if pattern != 0x80 {
            let value = cursor.short();
            // A long value fills the table.
            let value = value.repeat(1 + usize::from(cursor.u8(..16) / 15 * 30));
            text(cursor, &mut block, &value);
        }
    }
    block
}

/// A string, Huffman-coded by turns.
fn text(cursor: &mut Cursor<'_>, block: &mut Vec<u8>, text: &[u8]) {
    if cursor.bool() {
        let coded = coded(text);
        integer(block, 0x80, 7, coded.len());
        block.extend(coded);
    } else {
        string(block, text);
    }
}

/// Some symbols with their codes and lengths in bits (RFC 7541, appendix B).
const CODES: [(u8, u32, u32); 16] = [
    (b'%', 0x15, 6),
    (b'/', 0x18, 6),
    (b':', 0x5c, 7),
    (b'@', 0x1ffa, 13),
    (b'a', 0x3, 5),
    (b'h', 0x27, 6),
    (b'i', 0x6, 5),
    (b'o', 0x7, 5),
    (b'p', 0x2b, 6),
    (b'r', 0x2c, 6),
    (b't', 0x9, 5),
    (b'u', 0x2d, 6),
    (b'#', 0xffa, 12),
    (b'\\', 0x7_fff0, 19),
    (0x80, 0xf_ffe6, 20),
    (b'\n', 0x3fff_fffc, 30),
];

/// Huffman-codes a text, with one of the symbols for each other byte.
fn coded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut pending, mut bits) = (Vec::new(), 0_u64, 0);
    for byte in text {
        let known = CODES.iter().find(|(symbol, ..)| symbol == byte);
        let (_, code, length) = known.unwrap_or(&CODES[usize::from(byte % 16)]);
        pending = pending << length | u64::from(*code);
        bits += length;
        while bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(pending >> bits & 0xff).unwrap());
        }
    }
    if bits > 0 {
        let padding = 8 - bits;
        let last = (pending << padding | ((1 << padding) - 1)) & 0xff;
        out.push(u8::try_from(last).unwrap());
    }
    out
}

fn integer(block: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let at = block.len();
    prefixed(block, bits, value);
    block[at] |= pattern;
}

/// A HEADERS frame and as many CONTINUATION frames as the cuts ask for.
fn headers(block: &[u8], mut cuts: [usize; 2], padding: u8, priority: bool) -> Vec<u8> {
    cuts.sort_unstable();
    let [first, second] = cuts;
    let mut payload = Vec::new();
    if padding > 0 {
        payload.push(padding);
    }
    if priority {
        payload.extend([0x80, 0, 0, 0, 0xff]);
    }
    payload.extend(&block[..first]);
    payload.extend(std::iter::repeat_n(b'%', usize::from(padding)));
    let padded = if padding > 0 { PADDED } else { 0 };
    let flags = padded | if priority { HAS_PRIORITY } else { 0 };
    [
        frame(HEADERS, flags, 1, &payload),
        frame(CONTINUATION, 0, 1, &block[first..second]),
        frame(CONTINUATION, END_HEADERS, 1, &block[second..]),
    ]
    .concat()
}
