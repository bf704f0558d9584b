//! Refusals, frame by frame: HTTP/2 written by hand, with a message that never ends.

use crate::support::client::{GET_STATE, SHUTDOWN};
use crate::support::http2::{
    DATA, GOAWAY, Head, NO_ERROR, PREFACE_AND_SETTINGS, RST_STREAM, frame, message,
};
use crate::support::http2_peer::Peer;
use crate::support::{DRAINS, start_ready};
use crate::tokens::{TOKEN, token_file};

/// Begins a call, sends half of its message, and reads the answer.
fn refusal(peer: &mut Peer, head: &Head) -> (Option<u8>, bool, u32) {
    let stream = peer.open();
    assert!(peer.send(&head.frame(stream, 0)));
    assert!(peer.send(&frame(DATA, 0, stream, b"\0\0\0\0\x20half")));
    let answer = peer.answer(stream);
    let reset = peer.wait_for("the reset of a stream", |frame| {
        frame.stream == stream && frame.kind == RST_STREAM
    });
    (answer.code(), answer.is_trailers_only(), reset.number(0))
}

/// One HEADERS frame that ends the stream, and a reset that says to send no more.
fn refused(code: u8) -> (Option<u8>, bool, u32) {
    (Some(code), true, NO_ERROR)
}

#[test]
fn without_a_good_token_headers_are_answered_by_headers() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "--token-file={}",
        token_file(folder.path(), TOKEN).display()
    );
    let wrapper = start_ready(&[&file], DRAINS);
    let mut peer = Peer::connect(&wrapper);
    for path in [GET_STATE, SHUTDOWN] {
        let head = Head::of(path);
        assert_eq!(refusal(&mut peer, &head), refused(16), "{path}");
        let head = head.with("authorization", "Bearer wrong-token-of-good-length");
        assert_eq!(refusal(&mut peer, &head), refused(16), "{path}");
    }
    let unknown = Head::of("/no.Such/Method");
    assert_eq!(refusal(&mut peer, &unknown), refused(16));
    // Five exhaust this connection; a new one is not affected.
    peer.wait_for("the end of the connection", |frame| frame.kind == GOAWAY);
    let good = Head::of(GET_STATE).with("authorization", &format!("Bearer {TOKEN}"));
    let mut peer = Peer::connect(&wrapper);
    assert_eq!(peer.call(&good, &message(b"")).code(), Some(0));
}

#[test]
fn beyond_the_role_headers_are_answered_by_headers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read");
    let listen = format!("--listen=read=unix:{}", path.display());
    let _wrapper = start_ready(&[&listen], DRAINS);
    let mut peer = Peer::silent(&path);
    assert!(peer.send(PREFACE_AND_SETTINGS));
    let head = Head::of(SHUTDOWN);
    assert_eq!(refusal(&mut peer, &head), refused(7));
    let answer = peer.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0), "the connection lives");
}
