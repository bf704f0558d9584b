//! Requests: each rule by its number.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Answer, Peer, until_gone};
use crate::support::{self, DRAINS, Wrapper};

fn start() -> (Wrapper, Peer) {
    let wrapper = support::start_ready(&[], DRAINS);
    let peer = Peer::connect(&wrapper);
    (wrapper, peer)
}

/// An answer in one frame, with these statuses; then the connection is still good.
fn assert_refused(peer: &mut Peer, what: &str, answer: &Answer, http: u16, code: u8) {
    assert_eq!(
        (answer.http(), answer.code()),
        (http, Some(code)),
        "{what}: {answer:?}"
    );
    assert!(answer.is_trailers_only(), "{what}: {answer:?}");
    assert_answered(peer, what, &Head::of(GET_STATE), &message(b""));
}

fn assert_answered(peer: &mut Peer, what: &str, head: &Head, body: &[u8]) {
    let answer = peer.call(head, body);
    assert_eq!(
        (answer.http(), answer.code(), answer.reset),
        (200, Some(0), None),
        "{what}: {answer:?}"
    );
    assert!(answer.data().len() > 5, "{what}: {answer:?}");
}

/// Each value of a field is refused in the same way.
fn assert_each_refused(field: &str, values: &[&str], http: u16, code: u8) {
    let (_wrapper, mut peer) = start();
    for value in values {
        let head = Head::of(GET_STATE).with(field, value);
        let answer = peer.call(&head, &message(b""));
        assert_refused(&mut peer, value, &answer, http, code);
    }
}

#[test]
fn request_1_a_method_other_than_post_is_answered_with_405() {
    assert_each_refused(":method", &["GET", "PUT", "OPTIONS", "PATCH", "X"], 405, 13);
}

#[test]
fn request_2_only_the_exact_path_of_a_method_is_one() {
    let paths = [
        "/process_wrapper.v1.ProcessWrapper/GetState?x",
        "/process_wrapper.v1.ProcessWrapper/GetState?",
        "/process_wrapper.v1.ProcessWrapper/GetState/",
        "//process_wrapper.v1.ProcessWrapper/GetState",
        "/process_wrapper.v1.ProcessWrapper/getstate",
        "/process_wrapper.v1.ProcessWrapper/GetStat%65",
        "/",
        "*",
    ];
    assert_each_refused(":path", &paths, 200, 12);
    let (_wrapper, mut peer) = start();
    let connect = Head::of(GET_STATE)
        .with(":method", "CONNECT")
        .without(":scheme")
        .without(":path");
    let answer = peer.call(&connect, &message(b""));
    assert_refused(&mut peer, "CONNECT", &answer, 405, 13);
}

#[test]
fn a_path_with_a_fragment_is_malformed_on_every_listener() {
    const PROTOCOL_ERROR: u32 = 1;
    let wrapper = support::start_ready(&["--listen=tcp://127.0.0.1:0"], DRAINS);
    let mut peer = Peer::connect(&wrapper);
    // Behind a method that exists, and in a query.
    for path in [format!("{GET_STATE}#x"), format!("{GET_STATE}?a#x")] {
        let answer = peer.call(&Head::of(&path), &message(b""));
        assert_eq!(answer.reset, Some(PROTOCOL_ERROR), "{path}: {answer:?}");
        assert_answered(&mut peer, &path, &Head::of(GET_STATE), &message(b""));
    }
    let line = wrapper.stderr.wait_for("address=tcp://");
    let address = line.trim().rsplit("tcp://").next().unwrap();
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(support::DEADLINE)).unwrap();
    let head = Head::of(&format!("{GET_STATE}#x"));
    let request = [PREFACE_AND_SETTINGS, &head.frame(1, 0)].concat();
    tcp.write_all(&request).unwrap();
    loop {
        let mut header = [0; 9];
        tcp.read_exact(&mut header).unwrap();
        let [a, b, c, kind, _, stream @ ..] = header;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        tcp.read_exact(&mut payload).unwrap();
        if u32::from_be_bytes(stream) == 1 {
            assert_eq!(
                (kind, &*payload),
                (RST_STREAM, &PROTOCOL_ERROR.to_be_bytes()[..])
            );
            break;
        }
    }
}

#[test]
fn request_3_a_content_type_other_than_grpc_is_answered_with_415() {
    let others = [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcx",
        "application/grpc+json",
        "application/json",
        "text/plain",
        "",
    ];
    assert_each_refused("content-type", &others, 415, 3);
    let (_wrapper, mut peer) = start();
    let none = Head::of(GET_STATE).without("content-type");
    let answer = peer.call(&none, &message(b""));
    assert_refused(&mut peer, "none", &answer, 415, 3);
    for grpc in ["application/grpc", "application/grpc+proto"] {
        let head = Head::of(GET_STATE).with("content-type", grpc);
        assert_answered(&mut peer, grpc, &head, &message(b""));
    }
}

#[test]
fn request_4_te_may_be_missing_and_must_not_be_something_else() {
    let (_wrapper, mut peer) = start();
    let head = Head::of(GET_STATE).without("te");
    assert_answered(&mut peer, "no te", &head, &message(b""));
    let head = Head::of(GET_STATE).with("te", "gzip");
    let answer = peer.call(&head, &message(b""));
    assert_eq!(
        (answer.frames.len(), answer.reset),
        (0, Some(PROTOCOL_ERROR))
    );
    let head = Head::of(GET_STATE);
    assert_answered(&mut peer, "after the reset", &head, &message(b""));
}

#[test]
fn request_5_a_timeout_is_one_to_eight_digits_and_a_unit() {
    let bad = [
        "",
        "5",
        "S",
        "+5S",
        "-5S",
        "5s",
        "5 S",
        " 5S",
        "5.0S",
        "123456789S",
        "5SS",
        "0x5S",
        "5x",
    ];
    assert_each_refused("grpc-timeout", &bad, 400, 13);
    assert_each_refused("grpc-timeout", &["0S", "0n", "00000000H"], 200, 4);
    let (_wrapper, mut peer) = start();
    for good in [
        "1H",
        "1M",
        "10S",
        "99999999m",
        "99999999u",
        "99999999n",
        "00000005S",
    ] {
        let head = Head::of(GET_STATE).with("grpc-timeout", good);
        assert_answered(&mut peer, good, &head, &message(b""));
    }
}

#[test]
fn request_6_an_unknown_encoding_is_answered_with_the_known_ones() {
    let (_wrapper, mut peer) = start();
    for encoding in ["gzip", "deflate", "Identity", "x"] {
        let head = Head::of(GET_STATE).with("grpc-encoding", encoding);
        let answer = peer.call(&head, &message(b""));
        assert_eq!(
            answer.frames[0].get("grpc-accept-encoding"),
            Some("identity")
        );
        assert_refused(&mut peer, encoding, &answer, 200, 12);
    }
    let head = Head::of(GET_STATE)
        .with("grpc-encoding", "identity")
        .with("grpc-accept-encoding", "gzip,identity");
    assert_answered(&mut peer, "identity", &head, &message(b""));
}

#[test]
fn request_7_a_message_that_is_flagged_as_compressed_is_an_error() {
    let (_wrapper, mut peer) = start();
    for flags in [1, 2, 3, 128, 255] {
        let body = [flags, 0, 0, 0, 0];
        let answer = peer.call(&Head::of(GET_STATE), &body);
        assert_refused(&mut peer, &format!("flags {flags}"), &answer, 200, 13);
    }
}

#[test]
fn request_8_a_declared_length_over_the_limit_is_refused_and_nothing_allocated() {
    let (wrapper, mut peer) = start();
    let before = support::own_memory(wrapper.pid());
    for length in [64 * 1024 + 1, 1 << 30, u32::MAX] {
        // Without the message and without the half-close: the prefix alone must do.
        for _ in 0..20 {
            let stream = peer.open();
            let prefix = [&[0][..], &length.to_be_bytes()].concat();
            assert!(peer.send(&Head::of(GET_STATE).frame(stream, 0)));
            assert!(peer.send(&frame(DATA, 0, stream, &prefix)));
            let answer = peer.answer(stream);
            assert_refused(&mut peer, "too long", &answer, 200, 8);
        }
    }
    let grown = support::own_memory(wrapper.pid()).saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more");
}

#[test]
fn request_9_the_end_of_the_stream_inside_a_message_is_an_error() {
    let (_wrapper, mut peer) = start();
    let whole = until_gone();
    for cut in 1..whole.len() {
        let answer = peer.call(&Head::of(GET_STATE), &whole[..cut]);
        assert_refused(&mut peer, &format!("cut at {cut}"), &answer, 200, 13);
    }
}

#[test]
fn request_10_a_unary_call_takes_exactly_one_message() {
    let (_wrapper, mut peer) = start();
    let answer = peer.call(&Head::of(GET_STATE), b"");
    assert_refused(&mut peer, "none", &answer, 200, 12);
    let stream = peer.open();
    assert!(peer.send(&Head::of(GET_STATE).frame(stream, END_STREAM)));
    let answer = peer.answer(stream);
    assert_refused(&mut peer, "none, and no DATA frame", &answer, 200, 12);
    for count in [2, 3] {
        let answer = peer.call(&Head::of(GET_STATE), &message(b"").repeat(count));
        assert_refused(&mut peer, "several", &answer, 200, 12);
    }
}

#[test]
fn request_11_a_message_may_be_empty_and_be_cut_and_padded_in_any_way() {
    let (_wrapper, mut peer) = start();
    assert_answered(&mut peer, "empty", &Head::of(GET_STATE), &message(b""));
    // `wait_until: running` is answered at once.
    let whole = message(&[0x08, 1]);
    for size in 1..=whole.len() {
        for padding in [None, Some(0), Some(1), Some(255)] {
            for empty_end in [false, true] {
                let stream = peer.open();
                let mut bytes = Head::of(GET_STATE).frame(stream, 0);
                let pieces: Vec<&[u8]> = whole.chunks(size).collect();
                for (at, piece) in pieces.iter().enumerate() {
                    let last = at + 1 == pieces.len() && !empty_end;
                    let end = if last { END_STREAM } else { 0 };
                    bytes.extend(match padding {
                        None => frame(DATA, end, stream, piece),
                        Some(length) => {
                            let pad = vec![0; usize::from(length)];
                            let payload = [&[length][..], piece, &pad].concat();
                            frame(DATA, end | PADDED, stream, &payload)
                        }
                    });
                }
                if empty_end {
                    bytes.extend(frame(DATA, END_STREAM, stream, b""));
                }
                assert!(peer.send(&bytes));
                let answer = peer.answer(stream);
                let what = format!("pieces of {size}, padding {padding:?}, {empty_end}");
                assert_eq!((answer.http(), answer.code()), (200, Some(0)), "{what}");
            }
        }
    }
}

#[test]
fn request_12_a_message_that_is_no_protobuf_is_an_error() {
    let (_wrapper, mut peer) = start();
    for bytes in [&[0xff][..], &[0x08], &[0x0a, 5, 1], &[0x0f], &[0x00, 0x00]] {
        let answer = peer.call(&Head::of(GET_STATE), &message(bytes));
        assert_refused(&mut peer, &format!("{bytes:?}"), &answer, 200, 13);
    }
}

#[test]
fn request_13_binary_metadata_may_be_padded_or_not_and_be_a_list() {
    let (_wrapper, mut peer) = start();
    for value in [
        "",
        "AA",
        "AA==",
        "AAA",
        "AAA=",
        "AAAA,AA==,AA",
        "no base64!",
    ] {
        // Nothing here reads it, so nothing about it can be wrong.
        let head = Head::of(GET_STATE).with("x-trace-bin", value);
        assert_answered(&mut peer, value, &head, &message(b""));
    }
}
