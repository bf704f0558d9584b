//! HTTP/2 as a client would never send it, and as it would.
//!
//! Owns how bytes of the input become frames: mostly well-formed ones in any order, so that the fuzzer gets
//! past the first check, and now and then anything at all. RFC 9113 sections 4 and 6, RFC 7541.

use super::cursor::Cursor;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

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
    let mut out = Vec::new();
    match cursor.u8(..16) {
        0..4 => request(cursor, &mut out),
        4 | 5 => {
            let (stream, ends) = (stream(cursor), cursor.bool());
            let payload = message(cursor);
            padded(cursor, &mut out, 0, u8::from(ends), stream, &payload);
        }
        6 => frame(
            &mut out,
            3,
            0,
            stream(cursor),
            &u32::from(cursor.byte()).to_be_bytes(),
        ),
        7 => {
            let increment = if cursor.bool() {
                cursor.u32()
            } else {
                u32::from(cursor.u16())
            };
            let on = stream(cursor);
            frame(&mut out, 8, 0, on, &increment.to_be_bytes());
        }
        8 => {
            let mut payload = Vec::new();
            for _ in 0..cursor.u8(..5) {
                payload.extend(u16::from(cursor.u8(..10)).to_be_bytes());
                let value = if cursor.bool() {
                    cursor.u32()
                } else {
                    u32::from(cursor.u16())
                };
                payload.extend(value.to_be_bytes());
            }
            frame(&mut out, 4, u8::from(cursor.u8(..8) == 1), 0, &payload);
        }
        9 => frame(&mut out, 6, u8::from(cursor.bool()), 0, b"pingping"),
        10 => {
            let last = cursor.u32().to_be_bytes();
            frame(
                &mut out,
                7,
                0,
                0,
                &[last, [0, 0, 0, cursor.byte()]].concat(),
            );
        }
        11 => {
            // A header block of any bytes, which may go on.
            let flags = cursor.byte();
            let on = stream(cursor);
            frame(&mut out, 1, flags, on, cursor.short());
        }
        12 => {
            let flags = cursor.byte();
            let on = stream(cursor);
            frame(&mut out, 9, flags, on, cursor.short());
        }
        13 => {
            let (kind, flags) = (cursor.byte(), cursor.byte());
            let on = stream(cursor);
            frame(&mut out, kind, flags, on, cursor.short());
        }
        14 => out.extend(cursor.short()),
        _ => {
            out.extend(PREFACE);
            out.extend(SETTINGS);
        }
    }
    out
}

/// A stream: mostly one of a client's first ones.
fn stream(cursor: &mut Cursor<'_>) -> u32 {
    match cursor.byte() {
        byte @ ..250 => u32::from(byte % 100),
        _ => cursor.u32(),
    }
}

/// The HEADERS of a call and whatever belongs to it.
fn request(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) {
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
    if shape & 0xc0 == 0xc0 {
        // In several frames, the last of which may be missing.
        let (first, rest) = block.split_at(block.len() / 2);
        frame(out, 1, ends, on, first);
        frame(out, 9, cursor.byte() & 4, on, rest);
    } else {
        // Longer than a frame may be, if the list is: the peer's mistake.
        padded(cursor, out, 1, ends | 4, on, &block);
    }
    if ends == 0 && shape & 0xe0 != 0x40 {
        let payload = message(cursor);
        frame(out, 0, 1, on, &payload);
    }
}

/// A field that goes into the table of the peer, or stays out of it: by turns.
fn literal(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(if block.len().is_multiple_of(2) {
        0x40
    } else {
        0
    });
    for text in [name.as_bytes(), value] {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        if length < 127 {
            block.push(length);
        } else if length < 255 {
            block.extend([127, length - 127]);
        } else {
            block.extend([127, 0x80, 1]);
        }
        block.extend(&text[..usize::from(length)]);
    }
}

/// The body of a call: a framed message, or what only looks like one.
fn message(cursor: &mut Cursor<'_>) -> Vec<u8> {
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
fn padded(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    kind: u8,
    flags: u8,
    on: u32,
    payload: &[u8],
) {
    match cursor.byte() {
        padding @ 240.. => {
            let room = vec![0; usize::from(padding)];
            frame(
                out,
                kind,
                flags | 8,
                on,
                &[&[padding][..], payload, &room].concat(),
            );
        }
        _ => frame(out, kind, flags, on, payload),
    }
}

pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    out.extend(&length[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}
