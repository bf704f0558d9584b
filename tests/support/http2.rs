//! HTTP/2 frames and header blocks as bytes, made by hand (RFC 9113, section 4.1; RFC 7541).

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

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The client's preface and an empty SETTINGS frame.
pub const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

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

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// SETTINGS with one setting.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

/// A message with its prefix.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, bytes].concat()
}

/// `GetStateRequest { wait_until: gone }`.
pub fn until_gone() -> Vec<u8> {
    message(&[0x08, 3])
}

/// Fields as literals that are never indexed, without Huffman coding (RFC 7541, section 6.2.3).
pub fn block(fields: &[(String, String)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            integer(&mut block, 7, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1); what is above them is zero.
fn integer(block: &mut Vec<u8>, bits: u32, value: usize) {
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

/// The head of a call, to be changed by the test.
#[derive(Clone)]
pub struct Head(Vec<(String, String)>);

impl Head {
    /// A head without anything wrong.
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

    /// With another value, or one more field at the end.
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
