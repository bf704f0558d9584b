//! Responses, and what ends calls and connections: each rule by its number.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};
use crate::support::{self, DRAINS, Wrapper};

fn start() -> (Wrapper, Peer) {
    let wrapper = support::start_ready(&[], DRAINS);
    let peer = Peer::connect(&wrapper);
    (wrapper, peer)
}

#[test]
fn response_14_an_answer_is_headers_data_and_trailers_and_an_early_error_one_frame() {
    let (_wrapper, mut peer) = start();
    let answer = peer.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.kinds(), [HEADERS, DATA, HEADERS]);
    let [head, data, trailers] = &answer.frames[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(head.get(":status"), Some("200"));
    assert_eq!(head.get("content-type"), Some("application/grpc"));
    assert_eq!(head.get("grpc-status"), None);
    assert!(!head.ends() && !data.ends() && trailers.ends());
    assert_eq!(trailers.get("grpc-status"), Some("0"));
    assert_eq!(trailers.get(":status"), None);
    let length = u32::from_be_bytes(data.payload[1..5].try_into().unwrap());
    assert_eq!(data.payload[0], 0);
    assert_eq!(data.payload.len(), 5 + usize::try_from(length).unwrap());

    // wait_until: 9 is no state.
    let answer = peer.call(&Head::of(GET_STATE), &message(&[0x08, 9]));
    assert!(answer.is_trailers_only(), "{answer:?}");
    assert_eq!((answer.http(), answer.code()), (200, Some(3)));
    let head = &answer.frames[0];
    assert_eq!(head.get("content-type"), Some("application/grpc"));
}

#[test]
fn response_15_a_status_message_is_printable_ascii_and_not_long() {
    let (_wrapper, mut peer) = start();
    let path = format!("/{}/x", "y".repeat(8000));
    for answer in [
        peer.call(&Head::of(GET_STATE), &message(&[0x08, 9])),
        peer.call(&Head::of(GET_STATE), &message(&[0xff])),
        peer.call(&Head::of(&path), &message(b"")),
    ] {
        let text = answer.frames[0].get("grpc-message").unwrap();
        assert!(!text.is_empty() && text.len() <= 1024, "{text}");
        assert!(
            text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)),
            "{text}"
        );
    }
}

#[test]
fn response_16_at_the_deadline_of_a_call_trailers_are_sent() {
    let (_wrapper, mut peer) = start();
    let begun = Instant::now();
    let head = Head::of(GET_STATE).with("grpc-timeout", "80m");
    let answer = peer.call(&head, &until_gone());
    assert_eq!(
        (answer.http(), answer.code(), answer.reset),
        (200, Some(4), None)
    );
    assert!(begun.elapsed() >= Duration::from_millis(80));
    // Also while the request is still to come.
    let stream = peer.open();
    assert!(peer.send(&head.frame(stream, 0)));
    let answer = peer.answer(stream);
    assert_eq!((answer.http(), answer.code()), (200, Some(4)));
    assert_eq!(
        peer.wait_for("a reset", |frame| frame.kind == RST_STREAM)
            .number(0),
        NO_ERROR
    );
}

#[test]
fn response_17_a_reset_ends_a_call_and_keeps_its_connection() {
    let (_wrapper, mut peer) = start();
    // Many more than may be open at once, so those that were reset have ended.
    for _ in 0..4 {
        for _ in 0..50 {
            let stream = peer.open();
            assert!(peer.send(&Head::of(GET_STATE).call(stream, &until_gone())));
            assert!(peer.send(&reset(stream, CANCEL)));
        }
        let answer = peer.call(&Head::of(GET_STATE), &message(b""));
        assert_eq!(answer.code(), Some(0));
    }
}

#[test]
fn response_18_an_answer_before_the_half_close_is_followed_by_a_reset_without_error() {
    let (_wrapper, mut peer) = start();
    for path in ["/no.Such/Method", GET_STATE] {
        let stream = peer.open();
        assert!(peer.send(&Head::of(path).frame(stream, 0)));
        assert!(peer.send(&frame(DATA, 0, stream, &[2])));
        let answer = peer.answer(stream);
        assert!(answer.is_trailers_only(), "{answer:?}");
        let reset = peer.wait_for("a reset", |frame| {
            frame.kind == RST_STREAM && frame.stream == stream
        });
        assert_eq!(reset.number(0), NO_ERROR);
    }
}

#[test]
fn response_19_a_drain_sends_goaway_twice_with_a_ping_between() {
    let (mut wrapper, mut peer) = start();
    let waiting = peer.open();
    assert!(peer.send(&Head::of(GET_STATE).call(waiting, &until_gone())));
    let answer = peer.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
    wrapper.signal(Signal::SIGQUIT);
    // A waiting call is answered although the wrapper exits.
    let answer = peer.answer(waiting);
    assert_eq!(answer.code(), Some(0));
    let first = peer.wait_for("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!((first.number(0), first.number(1)), (0x7fff_ffff, NO_ERROR));
    let ping = peer.wait_for("a PING", |frame| {
        frame.kind == PING && frame.flags & ACK == 0
    });
    let acknowledged = Instant::now();
    assert!(peer.send(&frame(PING, ACK, 0, &ping.payload)));
    assert_eq!(peer.goodbyes(), [(3, NO_ERROR)]);
    assert!(acknowledged.elapsed() < support::DEADLINE / 2);
    assert_eq!(wrapper.code(), 3);
}

#[test]
fn response_19_a_drain_closes_idle_connections_at_once() {
    let (mut wrapper, mut peer) = start();
    let answer = peer.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
    wrapper.signal(Signal::SIGQUIT);
    // The PING is not answered.
    let begun = peer.wait_for("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(begun.number(0), 0x7fff_ffff);
    let begun = Instant::now();
    assert_eq!(peer.goodbyes(), [(1, NO_ERROR)]);
    assert_eq!(wrapper.code(), 3);
    let passed = begun.elapsed();
    assert!(passed < Duration::from_millis(1500), "{passed:?}");
}

#[test]
fn response_20_excess_pings_end_the_connection_with_enhance_your_calm() {
    let (wrapper, mut peer) = start();
    let pings = ping().repeat(100);
    let sent = (0..1000).take_while(|_| peer.send(&pings)).count();
    assert!(sent < 200, "{sent} hundreds of pings were taken");
    let goodbyes = peer.goodbyes();
    assert_eq!(goodbyes, [(0, ENHANCE_YOUR_CALM)]);
    let mut other = Peer::connect(&wrapper);
    let answer = other.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
}

#[test]
fn response_22_an_unknown_service_or_method_is_unimplemented() {
    let (_wrapper, mut peer) = start();
    for path in [
        "/no.Such/GetState",
        "/process_wrapper.v1.ProcessWrapper/NoSuch",
        "/process_wrapper.v1.ProcessWrapper/",
        "/GetState",
    ] {
        let answer = peer.call(&Head::of(path), &message(b""));
        assert!(answer.is_trailers_only(), "{path}: {answer:?}");
        assert_eq!((answer.http(), answer.code()), (200, Some(12)), "{path}");
    }
}
