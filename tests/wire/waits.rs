//! Many waits on one connection.

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};
use crate::support::{self, DRAINS};

const INITIATE: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/// `max_waits` and `max_concurrent_streams`.
const WAITS: usize = 100;
const STREAMS: usize = 128;
/// `RESOURCE_EXHAUSTED`.
const EXHAUSTED: &str = "8";

fn start_waits(peer: &mut Peer, count: usize) -> Vec<u32> {
    let head = Head::of(GET_STATE);
    let mut bytes = Vec::new();
    let streams: Vec<_> = (0..count).map(|_| peer.open()).collect();
    for stream in &streams {
        bytes.extend(head.call(*stream, &until_gone()));
    }
    assert!(peer.send(&bytes));
    streams
}

#[test]
fn a_hundred_waits_on_a_connection_leave_room_for_a_shutdown() {
    let wrapper = support::start_ready(&[], DRAINS);
    let mut peer = Peer::connect(&wrapper);
    let waits = start_waits(&mut peer, WAITS);
    let answer = peer.call(&Head::of(INITIATE), &message(b""));
    assert_eq!((answer.http(), answer.code()), (200, Some(0)), "{answer:?}");
    for stream in waits {
        let answer = peer.answer(stream);
        assert_eq!(answer.code(), Some(0), "{answer:?}");
    }
}

#[test]
fn waits_beyond_the_limit_are_refused_with_words() {
    let wrapper = support::start_ready(&[], DRAINS);
    let mut peer = Peer::connect(&wrapper);
    // The first are of other kinds.
    for (method, body) in [(WATCH, &[][..]), (REFLECTION, &[0x3a, 0])] {
        let stream = peer.open();
        let open = [
            Head::of(method).frame(stream, 0),
            frame(
                DATA,
                if method == WATCH { END_STREAM } else { 0 },
                stream,
                &message(body),
            ),
        ];
        assert!(peer.send(&open.concat()));
        peer.wait_for("an answer", |frame| {
            frame.stream == stream && frame.kind == DATA
        });
    }
    let waits = start_waits(&mut peer, STREAMS - 2);
    let (waits, refused) = waits.split_at(WAITS - 2);
    for stream in refused {
        let answer = peer.answer(*stream);
        assert!(answer.is_trailers_only(), "{answer:?}");
        let trailers = &answer.frames[0];
        assert_eq!(trailers.get("grpc-status"), Some(EXHAUSTED));
        let message = trailers.get("grpc-message").unwrap();
        assert!(message.contains("open another connection"), "{message}");
    }
    // A read never waits.
    let answer = peer.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0), "{answer:?}");
    let answer = peer.call(&Head::of(INITIATE), &message(b""));
    assert_eq!(answer.code(), Some(0), "{answer:?}");
    for stream in waits {
        assert_eq!(peer.answer(*stream).code(), Some(0));
    }
}
