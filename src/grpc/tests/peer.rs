//! A client that writes its own frames, over a stream in memory.

use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http2::{DATA, GOAWAY, Head, PREFACE_AND_SETTINGS, frame};
use super::world::Pipe;
use super::*;

/// A call of `path` with an empty message; `flags` are those of its DATA frame.
pub(super) fn call(stream: u32, path: &str, flags: u8) -> Vec<u8> {
    let data = frame(DATA, flags, stream, &[0; 5]);
    [Head::of(path).frame(stream, 0), data].concat()
}

/// The client's end of a connection.
pub(super) struct FramePeer {
    /// `None` while a task uses it.
    io: Option<Pipe>,
}

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl FramePeer {
    /// Connects to the server of `world`, and sends nothing.
    pub(super) fn connect(world: &World) -> Self {
        Self::new(world.connect_raw())
    }

    pub(super) fn new(io: Pipe) -> Self {
        Self { io: Some(io) }
    }

    /// Sends bytes, which the server must read all at once; false if it has closed the connection.
    pub(super) fn send(&mut self, world: &World, bytes: Vec<u8>) -> bool {
        let mut io = self.io.take().unwrap();
        let (io, sent) = world.run(async move {
            let sent = io.write_all(&bytes).await.is_ok();
            (io, sent)
        });
        self.io = Some(io);
        sent
    }

    pub(super) fn send_preface(&mut self, world: &World) {
        assert!(self.send(world, PREFACE_AND_SETTINGS.to_vec()));
    }

    /// The frames that have come since the last call.
    pub(super) fn frames(&mut self, world: &World) -> Vec<Frame> {
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
            frames.push(Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
                payload: payload.to_vec(),
            });
        }
        frames
    }

    /// The last stream and the error code of each GOAWAY since the last call.
    pub(super) fn goaways(&mut self, world: &World) -> Vec<(u32, u32)> {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        self.frames(world)
            .iter()
            .filter(|frame| frame.kind == GOAWAY)
            .map(|frame| (number(&frame.payload[..4]), number(&frame.payload[4..8])))
            .collect()
    }
}
