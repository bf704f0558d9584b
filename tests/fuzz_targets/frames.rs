//! Valid and invalid HTTP/2, made from the input.
//!
//! Owns how bytes of the input become frames: mostly well-formed ones in any order, so that the
//! fuzzer gets past the first check, and now and then anything at all. RFC 9113 sections 4 and 6,
//! RFC 7541.

use super::cursor::Cursor;
use super::http2::*;

/// The methods that are called; the first ones exist.
pub const PATHS: [&str; 12] = [
    "/process_wrapper.v1.ProcessWrapper/GetState",
    "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/test.Test/Flood",
    "/test.Test/Hang",
    "/test.Test/Echo",
    "/test.Test/Refused",
    "/test.Test/None",
    "/",
    "*",
];

/// One or more frames, as the next bytes of the input say.
pub fn next(cursor: &mut Cursor<'_>) -> Vec<u8> {
    match cursor.u8(..16) {
        0..4 => request(cursor),
        4 | 5 => {
            let (stream, ends) = (stream(cursor), cursor.bool());
            let payload = body(cursor);
            padded(cursor, DATA, u8::from(ends), stream, &payload)
        }
        6 => reset(stream(cursor), u32::from(cursor.byte())),
        7 => {
            let increment = number(cursor);
            window_update(stream(cursor), increment)
        }
        8 => {
            let mut payload = Vec::new();
            for _ in 0..cursor.u8(..5) {
                payload.extend(u16::from(cursor.u8(..10)).to_be_bytes());
                payload.extend(number(cursor).to_be_bytes());
            }
            frame(SETTINGS, u8::from(cursor.u8(..8) == 1), 0, &payload)
        }
        9 => frame(PING, u8::from(cursor.bool()), 0, b"pingping"),
        10 => {
            let last = cursor.u32().to_be_bytes();
            let payload = [last, [0, 0, 0, cursor.byte()]].concat();
            frame(GOAWAY, 0, 0, &payload)
        }
        // Any bytes as a header block; the flags may leave it unfinished.
        11 => any_payload(cursor, HEADERS),
        12 => any_payload(cursor, CONTINUATION),
        13 => {
            let kind = cursor.byte();
            any_payload(cursor, kind)
        }
        14 => cursor.short().to_vec(),
        _ => PREFACE_AND_SETTINGS.to_vec(),
    }
}

fn any_payload(cursor: &mut Cursor<'_>, kind: u8) -> Vec<u8> {
    let flags = cursor.byte();
    let on = stream(cursor);
    frame(kind, flags, on, cursor.short())
}

/// A number of 32 bits, or one that 16 hold.
fn number(cursor: &mut Cursor<'_>) -> u32 {
    if cursor.bool() {
        cursor.u32()
    } else {
        u32::from(cursor.u16())
    }
}

/// A stream: mostly one of a client's first ones.
fn stream(cursor: &mut Cursor<'_>) -> u32 {
    match cursor.byte() {
        byte @ ..250 => u32::from(byte % 100),
        _ => cursor.u32(),
    }
}

/// The HEADERS of a call, its continuation and its body.
fn request(cursor: &mut Cursor<'_>) -> Vec<u8> {
    let on = u32::from(cursor.u8(..100)) | 1;
    let path = PATHS[usize::from(cursor.byte()) % PATHS.len()];
    let shape = cursor.byte();
    let mut block = Vec::new();
    let method = if shape & 7 == 1 { "GET" } else { "POST" };
    for (name, value) in [(":method", method), (":scheme", "http"), (":path", path)] {
        literal(&mut block, name, value.as_bytes());
    }
    literal(&mut block, ":authority", b"localhost");
    literal(&mut block, "content-type", b"application/grpc");
    literal(&mut block, "te", b"trailers");
    if shape & 8 != 0 {
        let timeout = ["0n", "1S", "5m", "99999999H", "x"][usize::from(cursor.u8(..5))];
        literal(&mut block, "grpc-timeout", timeout.as_bytes());
    }
    if shape & 16 != 0 {
        let name = ["x-a", "x-b-bin", "grpc-encoding", ":path", "connection"];
        let name = name[usize::from(cursor.u8(..5))];
        let value = cursor.short();
        // Many times the same: a long list out of a short input.
        for _ in 0..cursor.byte() {
            literal(&mut block, name, value);
        }
    }
    let ends = u8::from(shape & 0xe0 == 0x20);
    let mut out = if shape & 0xc0 == 0xc0 {
        // In several frames, the last of which may be missing.
        let (first, rest) = block.split_at(block.len() / 2);
        let head = frame(HEADERS, ends, on, first);
        [
            head,
            frame(CONTINUATION, cursor.byte() & END_HEADERS, on, rest),
        ]
        .concat()
    } else {
        // A long list makes a frame longer than the limit: an error of the peer.
        padded(cursor, HEADERS, ends | END_HEADERS, on, &block)
    };
    if ends == 0 && shape & 0xe0 != 0x40 {
        out.extend(frame(DATA, END_STREAM, on, &body(cursor)));
    }
    out
}

/// A field that goes into the table of the peer, or stays out of it: by turns.
fn literal(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(if block.len().is_multiple_of(2) {
        0x40
    } else {
        0
    });
    for text in [name.as_bytes(), value] {
        string(block, &text[..text.len().min(255)]);
    }
}

/// The body of a call: a framed message, or bytes that only resemble one.
fn body(cursor: &mut Cursor<'_>) -> Vec<u8> {
    let shape = cursor.u8(..8);
    let payload = match shape {
        0 | 1 => Vec::new(),
        2 => vec![8, 1 + cursor.u8(..4)],
        3 => vec![b'x'; usize::from(cursor.u16())],
        4 => {
            // A name to ask for, as health and reflection have it.
            let name = cursor.short();
            let mut payload = vec![
                10 + 8 * cursor.u8(..7),
                u8::try_from(name.len()).unwrap() & 127,
            ];
            payload.extend(&name[..name.len() & 127]);
            payload
        }
        _ => cursor.short().to_vec(),
    };
    if shape == 7 {
        return payload;
    }
    let length = if shape == 6 {
        cursor.u32()
    } else {
        u32::try_from(payload.len()).unwrap()
    };
    [
        &[u8::from(cursor.byte() == 255)][..],
        &length.to_be_bytes(),
        &payload,
    ]
    .concat()
}

/// A frame of a kind that may be padded.
fn padded(cursor: &mut Cursor<'_>, kind: u8, flags: u8, on: u32, payload: &[u8]) -> Vec<u8> {
    match cursor.byte() {
        length @ 240.. => {
            let padding = vec![0; usize::from(length)];
            let payload = [&[length][..], payload, &padding].concat();
            frame(kind, flags | PADDED, on, &payload)
        }
        _ => frame(kind, flags, on, payload),
    }
}
