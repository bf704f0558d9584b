//! Many connections that each pin as much memory as allowed: their total cost.

use crate::measure::{LONG, Target};
use crate::support::Wrapper;
use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::Peer;

const CONNECTIONS: usize = 60;
const STREAMS: usize = 128;
/// `max_waits`.
const WAITS: usize = 100;

/// What all calls may pin beyond what each connection has of its own, and that; a third more for
/// what lies between the bytes that are counted and the pages that hold them.
const MOST: u64 = (64 << 20) / 3 * 4 + 60 * (256 << 10);

/// `RESOURCE_EXHAUSTED`.
const EXHAUSTED: &str = "8";

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// Waits until all that was sent has been read.
fn synchronize(peer: &mut Peer) {
    assert!(peer.send(&ping()));
    peer.wait_for("the ping's answer", |frame| {
        frame.kind == PING && frame.flags & ACK != 0
    });
}

/// Asserts that a further connection has what is its own and no more, and that one call is within
/// that.
fn assert_spent(wrapper: &Wrapper) {
    let mut modest = Peer::connect(wrapper);
    let answer = modest.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
    let mut greedy = Peer::connect(wrapper);
    for _ in 0..STREAMS {
        let stream = greedy.open();
        assert!(greedy.send(&Head::of(GET_STATE).frame(stream, 0)));
    }
    greedy.wait_for("a refusal", |frame| {
        frame.get("grpc-status") == Some(EXHAUSTED)
    });
}

#[test]
fn large_headers_on_many_connections_share_one_budget() {
    let target = Target::start();
    // Nearly 16 KiB, as HTTP/2 counts it.
    let fields = (0..300).map(|number| format!("x{number}"));
    let head = fields.fold(Head::of(GET_STATE), |head, name| {
        head.with(&name, "yyyyyyyyyyyyy")
    });
    let name = "15 KiB headers on 60 x 128 streams";
    target.survives(name, MOST, |wrapper| {
        let peers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::connect(wrapper);
                for _ in 0..STREAMS {
                    let stream = peer.open();
                    // Without the message, so that the call cannot begin, and keeps its headers.
                    assert!(peer.send(&head.frame(stream, 0)));
                }
                synchronize(&mut peer);
                peer
            })
            .collect();
        assert_spent(wrapper);
        std::thread::sleep(LONG);
        drop(peers);
    });
}

#[test]
fn half_messages_on_many_connections_share_one_budget() {
    /// Three full frames of a message of 64 KiB.
    const PIECES: usize = 3;
    const FULL: usize = 16 * 1024;
    let target = Target::start();
    target.survives("48 of 64 KiB on 60 x 128 streams", MOST, |wrapper| {
        let piece = vec![b'x'; FULL - 5];
        let first = [&[0, 0, 1, 0, 0][..], &piece].concat();
        let peers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::connect(wrapper);
                let mut window = 65_535;
                for _ in 0..STREAMS {
                    // What is sent beyond the window would end the connection.
                    while window < PIECES * FULL {
                        let frame = peer.next().unwrap();
                        if frame.kind == WINDOW_UPDATE && frame.stream == 0 {
                            window += usize::try_from(frame.number(0)).unwrap();
                        }
                    }
                    let stream = peer.open();
                    let mut bytes = Head::of(GET_STATE).frame(stream, 0);
                    bytes.extend(frame(DATA, 0, stream, &first));
                    for _ in 1..PIECES {
                        bytes.extend(frame(DATA, 0, stream, &piece));
                    }
                    assert!(peer.send(&bytes));
                    window -= first.len() + (PIECES - 1) * piece.len();
                }
                synchronize(&mut peer);
                peer
            })
            .collect();
        assert_spent(wrapper);
        std::thread::sleep(LONG);
        drop(peers);
    });
}

#[test]
fn unread_answers_on_many_connections_share_one_budget() {
    let symbol = b"process_wrapper.v1.ProcessWrapper";
    let length = u8::try_from(symbol.len()).unwrap();
    // ServerReflectionRequest { file_containing_symbol }.
    let request = message(&[&[0x22, length], &symbol[..]].concat());
    for (name, window) in [
        ("no window, 60 x 128 descriptors", 0),
        ("no reader, 60 x 128 descriptors", 1 << 30),
    ] {
        let target = Target::start();
        target.survives(name, MOST, |wrapper| {
            let peers: Vec<_> = (0..CONNECTIONS)
                .map(|_| {
                    let mut peer = Peer::connect(wrapper);
                    let settings = setting(4, window);
                    assert!(peer.send(&[settings, window_update(0, 1 << 30)].concat()));
                    for _ in 0..STREAMS {
                        let stream = peer.open();
                        assert!(peer.send(&Head::of(REFLECTION).call(stream, &request)));
                    }
                    peer
                })
                .collect();
            std::thread::sleep(LONG);
            drop(peers);
        });
    }
}

#[test]
fn answers_that_repeat_a_long_request_are_held_once() {
    const LONG_HOST: usize = 28_000;
    // ServerReflectionRequest { host, list_services }: the answer has the host twice.
    let host = [0x0a, 0xe0, 0xda, 0x01];
    assert_eq!(LONG_HOST, 0x60 | 0x5a << 7 | 0x01 << 14);
    let request = message(&[&host[..], &[b'x'; LONG_HOST], &[0x3a, 0]].concat());
    let target = Target::start();
    target.survives("no window, 60 x 128 long answers", MOST, |wrapper| {
        let peers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::connect(wrapper);
                assert!(peer.send(&setting(4, 0)));
                for _ in 0..STREAMS {
                    let stream = peer.open();
                    let mut bytes = Head::of(REFLECTION).frame(stream, 0);
                    for piece in request.chunks(16 * 1024) {
                        bytes.extend(frame(DATA, 0, stream, piece));
                    }
                    assert!(peer.send(&bytes));
                    synchronize(&mut peer);
                }
                peer
            })
            .collect();
        std::thread::sleep(LONG);
        drop(peers);
    });
}

#[test]
fn names_of_unknown_services_are_not_kept_while_they_are_watched() {
    const LONG_NAME: usize = 60_000;
    const WATCH: &str = "/grpc.health.v1.Health/Watch";
    // HealthCheckRequest { service }, its length as a varint of three bytes.
    let length = [0x0a, 0xe0, 0xd4, 0x03];
    assert_eq!(LONG_NAME, 0x60 | 0x54 << 7 | 0x03 << 14);
    let request = message(&[&length[..], &[b'x'; LONG_NAME]].concat());
    let target = Target::start();
    // Memory outside the budget has to be small.
    let most = MOST / 2;
    target.survives("names of 60 KB on 60 x 100 watches", most, |wrapper| {
        let peers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut peer = Peer::connect(wrapper);
                for _ in 0..WAITS {
                    let stream = peer.open();
                    let mut bytes = Head::of(WATCH).frame(stream, 0);
                    for (number, piece) in request.chunks(16 * 1024).enumerate() {
                        let last = (number + 1) * 16 * 1024 >= request.len();
                        let flags = if last { END_STREAM } else { 0 };
                        bytes.extend(frame(DATA, flags, stream, piece));
                    }
                    assert!(peer.send(&bytes));
                    // Its first answer, so that the window is whole again and the watch waits.
                    peer.wait_for("SERVICE_UNKNOWN", |frame| {
                        frame.stream == stream && frame.kind == DATA
                    });
                    synchronize(&mut peer);
                }
                peer
            })
            .collect();
        std::thread::sleep(LONG);
        drop(peers);
    });
}
