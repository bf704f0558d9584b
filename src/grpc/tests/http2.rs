//! HTTP/2 frames and header blocks as bytes, written by hand (RFC 9113 section 4.1; RFC 7541).
//!
//! Owns the bytes only. It does no I/O and uses nothing else of this crate, so that fuzz targets
//! and unit tests can include it by its path.

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
/// The priority flag of a HEADERS frame.
pub const HAS_PRIORITY: u8 = 0x20;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The 24 octets with which a client begins (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The whole client preface: the 24 octets and an empty SETTINGS frame.
pub const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"pingping")
}

pub fn reset(stream: u32, error: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &error.to_be_bytes())
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// SETTINGS with one setting.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

/// A gRPC message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, bytes].concat()
}

/// Fields as literals that are never indexed, without Huffman coding (RFC 7541 section 6.2.3).
pub fn block(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        string(&mut block, name.as_ref());
        string(&mut block, value.as_ref());
    }
    block
}

/// A string without Huffman coding (RFC 7541 section 5.2).
pub fn string(block: &mut Vec<u8>, text: &[u8]) {
    prefixed(block, 7, text.len());
    block.extend(text);
}

/// An integer with a prefix of `bits` bits (RFC 7541 section 5.1); the bits above the prefix are
/// zero.
pub fn prefixed(block: &mut Vec<u8>, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The header fields of a call, for a test to change.
#[derive(Clone)]
pub struct Head(Vec<(String, String)>);

impl Head {
    /// The head of a valid call.
    pub fn of(path: &str) -> Self {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(fields.map(owned).to_vec())
    }

    /// Replaces the value of a field, or appends the field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.0.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value.to_owned(),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|field| field.0 != name);
        self
    }

    /// The HEADERS frame.
    pub fn frame(&self, stream: u32, flags: u8) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | flags, stream, &block(&self.0))
    }

    /// The whole call: head, body, half-close.
    pub fn call(&self, stream: u32, body: &[u8]) -> Vec<u8> {
        let data = frame(DATA, END_STREAM, stream, body);
        [self.frame(stream, 0), data].concat()
    }
}
