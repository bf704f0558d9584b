//! The filter on valid and malformed frames.

use super::*;
use crate::grpc::tests::http2::{self, PREFACE};

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    http2::frame(kind, flags, 1, payload)
}

fn filtered(frames: &[Vec<u8>]) -> Vec<u8> {
    let bytes = [PREFACE.to_vec(), frames.concat()].concat();
    let filter = |size: usize| {
        let (mut filter, mut out) = (AuthorityFilter::default(), Vec::new());
        bytes
            .chunks(size)
            .for_each(|part| filter.apply(part, &mut out));
        out
    };
    let mut whole = filter(bytes.len());
    for size in 1..bytes.len().min(40) {
        assert_eq!(filter(size), whole, "chunks of {size}");
    }
    whole.split_off(PREFACE.len())
}

const LOCALHOST: &[u8] = b"\x01\x09localhost";

/// A block between two fields, as it is sent and as it passes.
fn around(authority: &[u8]) -> [Vec<u8>; 2] {
    [authority, LOCALHOST].map(|field| [&b"\x83"[..], field, b"\x00\x03x-a\x0650%%zz"].concat())
}

#[test]
fn any_form_of_the_field_becomes_localhost() {
    for authority in [
        // By index: the entry of the static table has no value.
        &b"\x81"[..],
        // A literal by index: indexed, not indexed, never indexed; a path, nothing, no UTF-8.
        b"\x41\x0b/tmp/p.sock",
        b"\x01\x00",
        b"\x11\x02\xff@",
        // A literal by name.
        b"\x40\x0a:authority\x07%2Ftmp:",
        b"\x00\x88\xb8\x3b\x53\x39\xec\x32\x7d\x7f\x01a",
        // A Huffman-coded value, as grpcurl 1.8.9 sends a path.
        b"\x41\x89\x60\xd5\x48\x5f\x2b\xce\x9a\x68\x5f",
    ] {
        let [sent, passed] = around(authority);
        let frames = [sent, passed].map(|block| frame(1, END_HEADERS, &block));
        let [sent, passed] = frames;
        assert_eq!(filtered(&[sent]), passed, "{authority:?}");
    }
}

#[test]
fn the_indexes_of_other_fields_follow() {
    let first = b"\x40\x01a\x01b\x41\x04/p/s\x40\x01c\x01d";
    // c, :authority, a; then names by index; then an eviction of all by size.
    let second = b"\xbe\xbf\xc0\x7e\x01e\x7f\x02\x01f\x0f\x33\x01g";
    let third = b"\x20\x3f\xe1\x1f\x40\x01h\x01i\xbe\x01\x00";
    let sent = [&first[..], second, third].map(|block| frame(1, END_HEADERS, block));
    let passed = [
        [&b"\x40\x01a\x01b"[..], LOCALHOST, b"\x40\x01c\x01d"].concat(),
        [
            &b"\xbe"[..],
            LOCALHOST,
            b"\xbf\x7e\x01e\x7f\x01\x01f\x0f\x32\x01g",
        ]
        .concat(),
        [&b"\x20\x3f\xe1\x1f\x40\x01h\x01i\xbe"[..], LOCALHOST].concat(),
    ];
    let passed = passed.map(|block| frame(1, END_HEADERS, &block));
    assert_eq!(filtered(&sent), passed.concat());
}

#[test]
fn a_block_continues_over_padding_priority_and_continuations() {
    let [sent, passed] = around(b"\x00\x0a:authority\x0b/tmp/p.sock");
    let (first, rest) = sent.split_at(6);
    let (second, third) = rest.split_at(9);
    let padding = b"\x81\x81\x81";
    let priority = [0x80, 0, 0, 0, 0xff];
    let payload = [&[3][..], &priority, first, padding].concat();
    let sent = [
        frame(1, PADDED | PRIORITY, &payload),
        frame(CONTINUATION, 0, second),
        frame(CONTINUATION, 0, b""),
        frame(CONTINUATION, END_HEADERS, third),
    ];
    let passed = [&priority[..], &passed].concat();
    assert_eq!(filtered(&sent), frame(1, PRIORITY | END_HEADERS, &passed));
}

#[test]
fn a_long_block_is_split_into_frames() {
    let value = |field: &[u8]| [field, b"\x00\x01x\x7f\x80\x7f", &[b'%'; 0x3fff]].concat();
    let (sent, passed) = (value(b"\x81"), value(LOCALHOST));
    let (first, rest) = sent.split_at(0x2000);
    let (start, end) = passed.split_at(MAX_FRAME);
    let sent = [frame(1, 0, first), frame(CONTINUATION, END_HEADERS, rest)];
    let passed = [frame(1, 0, start), frame(CONTINUATION, END_HEADERS, end)];
    assert_eq!(filtered(&sent), passed.concat());
}

#[test]
fn other_frames_pass_unchanged() {
    let other = [
        frame(4, 0, b"\0\x04\0\0%%"),
        frame(0, 1, b"\x41\x01%"),
        frame(6, 0, b""),
    ];
    assert_eq!(filtered(&other), other.concat());
}

#[test]
fn malformed_blocks_and_all_after_them_pass_unchanged() {
    let after = frame(1, END_HEADERS, b"\x01\x01%");
    for malformed in [
        frame(1, PADDED | END_HEADERS, b""),
        frame(1, PADDED | END_HEADERS, b"\x05ab"),
        frame(1, PRIORITY | END_HEADERS, b"abcd"),
        // A truncated string, an endless integer, an unknown index, index 0, a size above 4096.
        frame(1, END_HEADERS, b"\x41\x05/tmp"),
        frame(1, END_HEADERS, b"\x01\x7f\xff\xff\xff\xff\xff\x0f"),
        frame(1, END_HEADERS, b"\xbe"),
        frame(1, END_HEADERS, b"\x80"),
        frame(1, END_HEADERS, b"\x3f\xe2\x1f"),
        // Huffman codes: EOS in a name, wrong padding in a value that enters the table.
        frame(1, END_HEADERS, b"\x00\x84\xff\xff\xff\xff\x00"),
        frame(1, END_HEADERS, b"\x41\x81\x18"),
        // CONTINUATION without HEADERS; HEADERS in a block; a frame in a block.
        frame(CONTINUATION, END_HEADERS, b"\x81"),
        [frame(1, 0, b"\x81"), frame(1, 0, b"\x82")].concat(),
        [frame(1, 0, b"\x81"), frame(6, 0, b"pingping")].concat(),
    ] {
        let sent = [malformed, after.clone()];
        assert_eq!(filtered(&sent), sent.concat());
    }
}

#[test]
fn a_block_without_an_end_is_not_held_for_ever() {
    let empty = frame(CONTINUATION, 0, b"");
    let full = frame(CONTINUATION, 0, &[0x82; MAX_FRAME]);
    for (continuation, held) in [(empty, 16), (full, 3)] {
        let (mut filter, mut out) = (AuthorityFilter::default(), Vec::new());
        filter.apply(PREFACE, &mut out);
        filter.apply(&frame(1, 0, &[0x82; MAX_FRAME]), &mut out);
        for _ in 0..held {
            filter.apply(&continuation, &mut out);
            assert_eq!(out.len(), PREFACE.len(), "the block is held");
        }
        filter.apply(&continuation, &mut out);
        let rest = MAX_FRAME + held * (continuation.len() - 9);
        assert!(out.len() > PREFACE.len() + rest, "the block passes");
    }
}

#[test]
fn a_path_with_a_fragment_gets_a_second_path_that_is_malformed() {
    let second = b"\x04\x01/";
    for (block, marked) in [
        // Literals by index and by name, coded or not.
        (&b"\x04\x04/a#b"[..], true),
        (b"\x44\x04/a#b", true),
        (b"\x00\x05:path\x04/a#b", true),
        (b"\x00\x84\xb9\x58\xd3\x3f\x02/#", true),
        (b"\x04\x83\x63\xfe\xbf", true),
        (b"\x04\x03/ab", false),
        (b"\x84", false),
        // A fragment in another field is a value.
        (b"\x00\x01x\x02a#", false),
    ] {
        let passed = [block, if marked { second } else { b"" }].concat();
        let frames = [block.to_vec(), passed].map(|block| frame(1, END_HEADERS, &block));
        let [sent, passed] = frames;
        assert_eq!(filtered(&[sent]), passed, "{block:?}");
    }
    // An entry of the dynamic table: its value counts by index, and not where only its name does.
    let sent = [&b"\x44\x04/a#b"[..], b"\xbe", b"\x0f\x2f\x02/c"];
    let passed = [
        [sent[0], second].concat(),
        [sent[1], second].concat(),
        sent[2].to_vec(),
    ];
    let frames = |blocks: &[Vec<u8>]| -> Vec<Vec<u8>> {
        blocks
            .iter()
            .map(|block| frame(1, END_HEADERS, block))
            .collect()
    };
    let sent = frames(&sent.map(<[u8]>::to_vec));
    assert_eq!(filtered(&sent), frames(&passed).concat());
}

#[test]
fn a_peer_with_a_host_keeps_its_authority() {
    // By name and by index, indexed, then both by their new indexes.
    let first = b"\x41\x03a.b\x40\x0a:authority\x03c.d\x44\x02/a";
    let frames = [
        frame(1, END_HEADERS, first),
        frame(1, END_HEADERS, b"\xbe\xbf\xc0\x81"),
        frame(1, END_HEADERS, b"\x01\x03e.f\x04\x02/#"),
    ];
    let mut expected = [PREFACE.to_vec(), frames.concat()].concat();
    let mut out = Vec::new();
    AuthorityFilter::keeping_authority().apply(&expected, &mut out);
    let marked = frame(1, END_HEADERS, b"\x01\x03e.f\x04\x02/#\x04\x01/");
    expected.truncate(expected.len() - frames[2].len());
    expected.extend(marked);
    assert_eq!(out, expected);
}
