//! A scripted HTTP/2 client that sends and receives single frames over a blocking socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::http2::*;
use super::{DEADLINE, Wrapper};

/// The body of a call of GetState that waits: `GetStateRequest { wait_until: gone }`.
pub fn until_gone() -> Vec<u8> {
    message(&[0x08, 3])
}

/// A connection.
pub struct Peer {
    pub stream: UnixStream,
    headers: loona_hpack::Decoder<'static>,
    next_stream: u32,
    waiting: VecDeque<Frame>,
}

/// A received frame; a header block is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
    pub fields: Vec<(String, String)>,
}

impl Frame {
    pub fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|field| field.0 == name).map(|field| &*field.1)
    }

    /// The number in a RST_STREAM, or the one at that place of a GOAWAY.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at * 4..at * 4 + 4].try_into().unwrap())
    }
}

/// All frames of a stream, to its end.
#[derive(Debug)]
pub struct Answer {
    pub frames: Vec<Frame>,
    /// The error code of a reset that came.
    pub reset: Option<u32>,
}

impl Answer {
    /// `:status`; 0 if there was no head.
    pub fn http(&self) -> u16 {
        let status = self.frames.first().and_then(|head| head.get(":status"));
        status.map_or(0, |status| status.parse().unwrap())
    }

    /// `grpc-status`, wherever it came.
    pub fn code(&self) -> Option<u8> {
        let mut frames = self.frames.iter();
        frames.find_map(|frame| Some(frame.get("grpc-status")?.parse().unwrap()))
    }

    /// The kinds of the frames, in order.
    pub fn kinds(&self) -> Vec<u8> {
        self.frames.iter().map(|frame| frame.kind).collect()
    }

    /// The bytes of all DATA frames.
    pub fn data(&self) -> Vec<u8> {
        let data = self.frames.iter().filter(|frame| frame.kind == DATA);
        data.flat_map(|frame| frame.payload.clone()).collect()
    }

    /// Whether it is one HEADERS frame and the end.
    pub fn is_trailers_only(&self) -> bool {
        self.kinds() == [HEADERS] && self.frames[0].ends()
    }
}

impl Peer {
    /// Connects without sending.
    pub fn silent(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self {
            stream,
            headers: loona_hpack::Decoder::new(),
            next_stream: 1,
            waiting: VecDeque::new(),
        }
    }

    /// Connects and sends the preface.
    pub fn connect(wrapper: &Wrapper) -> Self {
        let mut peer = Self::silent(&wrapper.socket());
        assert!(peer.send(PREFACE_AND_SETTINGS));
        peer
    }

    /// Sends bytes; false if the server has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "{error}");
                false
            }
        }
    }

    /// The next frame; None at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
        if let Some(frame) = self.waiting.pop_front() {
            return Some(frame);
        }
        self.read()
    }

    fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            Err(error) => panic!("no frame came: {error}"),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        let kind = head[3];
        let mut fields = Vec::new();
        if kind == HEADERS {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            let decoded = self.headers.decode(&payload).unwrap();
            fields = decoded
                .into_iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect();
        }
        Some(Frame {
            kind,
            flags: head[4],
            stream: u32::from_be_bytes(head[5..].try_into().unwrap()),
            payload,
            fields,
        })
    }

    /// Reads until a frame fits; earlier frames are kept for `next`.
    pub fn wait_for(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at).unwrap();
        }
        loop {
            let frame = self.read();
            let frame = frame.unwrap_or_else(|| panic!("the connection ended before {what}"));
            if fits(&frame) {
                return frame;
            }
            self.waiting.push_back(frame);
        }
    }

    /// A stream that was not used yet.
    pub fn open(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Makes a call and reads its answer.
    pub fn call(&mut self, head: &Head, body: &[u8]) -> Answer {
        let stream = self.open();
        assert!(self.send(&head.call(stream, body)));
        self.answer(stream)
    }

    /// Reads a stream to its end.
    pub fn answer(&mut self, stream: u32) -> Answer {
        let mut frames = Vec::new();
        loop {
            let frame = self.wait_for("the end of a stream", |frame| {
                frame.stream == stream && matches!(frame.kind, DATA | HEADERS | RST_STREAM)
            });
            if frame.kind == RST_STREAM {
                let reset = Some(frame.number(0));
                return Answer { frames, reset };
            }
            let ended = frame.ends();
            frames.push(frame);
            if ended {
                return Answer {
                    frames,
                    reset: None,
                };
            }
        }
    }

    /// The last stream and the error of each GOAWAY up to the end of the connection.
    pub fn goodbyes(&mut self) -> Vec<(u32, u32)> {
        let mut goodbyes = Vec::new();
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                goodbyes.push((frame.number(0), frame.number(1)));
            }
        }
        goodbyes
    }
}
