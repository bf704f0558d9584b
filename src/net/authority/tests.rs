//! The filter on valid and malformed frames.

use super::*;
use crate::grpc::tests::http2::{self, END_HEADERS, PREFACE};

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    http2::frame(kind, flags, 1, payload)
}

fn filtered(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frames.concat());
    let mut filter = AuthorityFilter::new();
    let mut whole = bytes.clone();
    filter.apply(&mut whole);
    // Chunks of any size give the same bytes.
    for size in 1..bytes.len().min(40) {
        let mut filter = AuthorityFilter::new();
        let mut parts = bytes.clone();
        parts.chunks_mut(size).for_each(|part| filter.apply(part));
        assert_eq!(parts, whole, "chunks of {size}");
    }
    whole.split_off(PREFACE.len())
}

/// A header block as grpc-python 1.85 sends it, with a `%` in another field.
fn block(authority: &str) -> Vec<u8> {
    let mut block = b"@\x05:path\x06/a.B/C@\x0a:authority".to_vec();
    block.push(u8::try_from(authority.len()).unwrap());
    block.extend(authority.bytes());
    block.extend(b"\x83\x86@\x02te\x08trailers\x00\x03x-a\x0650%%zz");
    block
}

const SENT: &str = "a@b%2Fc:d[e]!$(f)_~.sock";
const REWRITTEN: &str = "a-b-2Fc-d-e-!$(f)_~.sock";

#[test]
fn only_the_authority_of_a_local_client_is_rewritten() {
    let ends = END_HEADERS;
    let settings = frame(4, 0, b"\0\x04\0\0%%");
    let data = frame(0, 1, b"@\x0a:authority\x01%");
    let sent = [
        settings.clone(),
        frame(1, ends, &block(SENT)),
        data.clone(),
        frame(1, ends, &block(SENT)),
    ];
    let passed = [
        settings,
        frame(1, ends, &block(REWRITTEN)),
        data,
        frame(1, ends, &block(REWRITTEN)),
    ];
    assert_eq!(filtered(&sent), passed.concat());
    assert!(REWRITTEN.parse::<http::uri::Authority>().is_ok());
    assert!(SENT.parse::<http::uri::Authority>().is_err());
}

#[test]
fn an_indexed_name_is_recognized() {
    for first in [0x41, 0x01, 0x11] {
        let sent = frame(1, END_HEADERS, &[first, 3, b'a', b'%', b'b', 0x83]);
        let passed = frame(1, END_HEADERS, &[first, 3, b'a', b'-', b'b', 0x83]);
        assert_eq!(filtered(&[sent]), passed);
    }
}

#[test]
fn a_block_continues_over_padding_priority_and_continuations() {
    let frames = |authority: &str| {
        let block = block(authority);
        let (first, rest) = block.split_at(22);
        let (second, third) = rest.split_at(9);
        let padding = b"@\x0a:authority\x01%";
        let mut payload = vec![u8::try_from(padding.len()).unwrap()];
        payload.extend([0x80, 0, 0, 0, 0xff]);
        payload.extend(first);
        payload.extend(padding);
        vec![
            frame(1, PADDED | PRIORITY, &payload),
            frame(9, 0, second),
            frame(9, 0, b""),
            frame(9, END_HEADERS, third),
        ]
    };
    assert_eq!(filtered(&frames(SENT)), frames(REWRITTEN).concat());
}

#[test]
fn other_fields_with_long_indexes_and_strings_pass() {
    let mut block = vec![0x7f, 0x80, 0x01, 0x7f, 0x80 | 0x49, 0x01];
    block.extend(std::iter::repeat_n(b'%', 127 + 0xc9));
    block.extend([0xff, 0x80, 0x01, 0x3f, 0xe1, 0x1f, 0x0f, 0x05, 0x01, b'%']);
    // A shorter and a longer name, a Huffman-coded name and value, empty strings.
    block.extend(b"@\x09:authorit\x01%@\x0b:authorityy\x01%");
    block.extend([
        0x40, 0x81, b'%', 0x01, b'%', 0x41, 0x81, b'%', 0x40, 0, 0, 0x41, 0,
    ]);
    let mut sent = block.clone();
    sent.extend([0x01, 1, b'%']);
    block.extend([0x01, 1, b'-']);
    let ends = END_HEADERS;
    assert_eq!(filtered(&[frame(1, ends, &sent)]), frame(1, ends, &block));
}

#[test]
fn a_truncated_block_does_not_affect_the_next() {
    let broken = frame(1, END_HEADERS, b"@\x0a:authority\x7f");
    let sent = [broken.clone(), frame(1, END_HEADERS, &[0x01, 1, b'%'])];
    let passed = [broken, frame(1, END_HEADERS, &[0x01, 1, b'-'])];
    assert_eq!(filtered(&sent), passed.concat());
}

#[test]
fn malformed_frames_pass_unchanged() {
    let after = frame(1, END_HEADERS, &[0x01, 1, b'%']);
    for frame in [
        frame(1, PADDED, b""),
        frame(1, PADDED | END_HEADERS, b"\x05ab"),
        frame(1, PRIORITY | END_HEADERS, b"abcd"),
        frame(
            1,
            END_HEADERS,
            &[0x01, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
    ] {
        let sent = [frame, after.clone()];
        assert_eq!(filtered(&sent), sent.concat());
    }
}
