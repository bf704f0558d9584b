//! A client that speaks in frames of its own making, over a stream in memory.

use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::Pipe;
use super::*;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame as it goes over the wire (RFC 9113, section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Header fields as literals that are never indexed, with names of their own (RFC 7541, section 6.2.3).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            let length = u8::try_from(text.len()).unwrap();
            assert!(length < 127, "one byte of length is enough here");
            block.push(length);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A call of `path`, with its message.
pub(super) fn call(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let head = frame(HEADERS, END_HEADERS, stream, &block(&fields));
    [head, frame(DATA, flags, stream, &[0; 5])].concat()
}

/// The peer.
pub(super) struct Peer {
    /// None while it is lent to a task.
    io: Option<Pipe>,
}

/// A frame that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Peer {
    pub(super) fn connect(world: &World) -> Self {
        Self::of(world.connect_raw())
    }

    /// A peer at this end of a stream that is served.
    pub(super) fn of(io: Pipe) -> Self {
        Self { io: Some(io) }
    }

    /// Sends bytes, which the server must take all at once; false if it has closed the connection.
    pub(super) fn send(&mut self, world: &World, bytes: Vec<u8>) -> bool {
        let mut io = self.io.take().unwrap();
        let (io, sent) = world.run(async move {
            let sent = io.write_all(&bytes).await.is_ok();
            (io, sent)
        });
        self.io = Some(io);
        sent
    }

    /// Sends the preface and SETTINGS.
    pub(super) fn greet(&mut self, world: &World) {
        assert!(self.send(world, hostile::GREETING.to_vec()));
    }

    /// All frames that have come and were not looked at yet.
    pub(super) fn frames(&mut self, world: &World) -> Vec<Came> {
        world.settle();
        let mut io = self.io.take().unwrap();
        let (io, bytes) = world.run(async move {
            let mut bytes = Vec::new();
            let mut space = [0; 4096];
            while let Some(Ok(read)) = smol::future::poll_once(io.read(&mut space)).await {
                if read == 0 {
                    break;
                }
                bytes.extend(&space[..read]);
            }
            (io, bytes)
        });
        self.io = Some(io);
        let mut rest = &bytes[..];
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (head, after) = rest.split_at(9);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (payload, after) = after.split_at(usize::try_from(length).unwrap());
            rest = after;
            frames.push(Came {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
                payload: payload.to_vec(),
            });
        }
        frames
    }

    /// The last stream and the error of each GOAWAY that has come.
    pub(super) fn goodbyes(&mut self, world: &World) -> Vec<(u32, u32)> {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        self.frames(world)
            .iter()
            .filter(|frame| frame.kind == GOAWAY)
            .map(|frame| (number(&frame.payload[..4]), number(&frame.payload[4..8])))
            .collect()
    }
}
