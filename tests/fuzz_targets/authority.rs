//! The filter that makes the `:authority` of local clients acceptable.

use process_wrapper::net::authority::AuthorityFilter;

use super::cursor::Cursor;
use super::http2::*;

/// Whatever a client sends: lengths stay, only bytes that no authority may hold are replaced, the
/// cuts between reads do not matter, and a second filter finds nothing more. Of well-formed
/// requests nothing but the value of `:authority` changes.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let size = 1 + usize::from(cursor.byte());
    if cursor.bool() {
        let (sent, expected) = requests(&mut cursor);
        assert_eq!(filtered(&sent, size), expected);
    } else {
        let mut sent = PREFACE.to_vec();
        sent.extend(cursor.rest());
        filtered(&sent, size);
    }
}

fn filtered(sent: &[u8], size: usize) -> Vec<u8> {
    let filter = |bytes: &[u8], size: usize| {
        let mut filter = AuthorityFilter::new();
        let mut bytes = bytes.to_vec();
        bytes.chunks_mut(size).for_each(|part| filter.apply(part));
        bytes
    };
    let passed = filter(sent, usize::MAX);
    assert_eq!(passed.len(), sent.len());
    for (before, after) in sent.iter().zip(&passed) {
        assert!(before == after || (b"%:@[]".contains(before) && *after == b'-'));
    }
    assert_eq!(filter(sent, size), passed, "in parts of {size}");
    assert_eq!(filter(sent, 1), passed, "byte by byte");
    assert_eq!(filter(&passed, usize::MAX), passed, "twice");
    passed
}

/// Frames with whole header blocks among others, as they are sent and as they should pass.
fn requests(cursor: &mut Cursor<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut sent = PREFACE.to_vec();
    let mut expected = sent.clone();
    while !cursor.is_empty() {
        if cursor.u8(..4) == 0 {
            // Some other frame, with anything in it.
            let payload = cursor.short();
            let kind = [0, 2, 3, 4, 5, 6, 7, 8, 10][usize::from(cursor.u8(..9))];
            let flags = cursor.byte();
            let other = frame(kind, flags, 1, payload);
            sent.extend(&other);
            expected.extend(other);
            continue;
        }
        let (block, passed) = literals(cursor);
        let cuts = [cursor.byte(), cursor.byte()].map(|cut| usize::from(cut).min(block.len()));
        let (padding, priority) = (cursor.u8(..9), cursor.bool());
        for (bytes, block) in [(&mut sent, block), (&mut expected, passed)] {
            bytes.extend(headers(&block, cuts, padding, priority));
        }
    }
    (sent, expected)
}

/// A header block of literals, before and after the filter.
fn literals(cursor: &mut Cursor<'_>) -> (Vec<u8>, Vec<u8>) {
    let (mut sent, mut passed) = (Vec::new(), Vec::new());
    for _ in 0..cursor.u8(..6) {
        let pattern = [0x00, 0x10, 0x40][usize::from(cursor.u8(..3))];
        let authority = cursor.bool();
        let value = cursor.short();
        let mut field = vec![pattern];
        if authority && cursor.bool() {
            // By its index in the static table.
            field[0] |= 1;
        } else {
            let name = if authority {
                b":authority"
            } else {
                cursor.short()
            };
            // Any other name; the one that is meant was chosen above.
            let name = if authority || name != b":authority" {
                name
            } else {
                b"x"
            };
            string(&mut field, name);
        }
        let mut after = field.clone();
        string(&mut field, value);
        let clean: Vec<u8> = value
            .iter()
            .map(|byte| {
                if authority && b"%:@[]".contains(byte) {
                    b'-'
                } else {
                    *byte
                }
            })
            .collect();
        string(&mut after, &clean);
        sent.extend(field);
        passed.extend(after);
    }
    (sent, passed)
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
