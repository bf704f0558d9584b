//! Attacks through streams and their headers: the memory they pin and the work they cause.

use std::time::Duration;

use crate::measure::{LONG, Target, for_long};
use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};

#[test]
fn a_header_bomb_pins_no_more_than_its_limits() {
    let target = Target::start();
    target.survives("HPACK bomb, 4 connections", 16 << 20, |wrapper| {
        // A field of 4,000 bytes enters the table; each later byte is that field again (RFC 7541,
        // 6.1).
        let mut bomb = vec![0x40, 1, b'x', 0x7f];
        let rest: usize = 4000 - 127;
        bomb.push(u8::try_from(rest % 128 + 128).unwrap());
        bomb.push(u8::try_from(rest / 128).unwrap());
        bomb.extend(std::iter::repeat_n(b'y', 4000));
        let mut peers: Vec<_> = (0..4).map(|_| Peer::connect(wrapper)).collect();
        for peer in &mut peers {
            for _ in 0..128 {
                let stream = peer.open();
                let block = [&bomb[..], &[0xbe; 12_000]].concat();
                bomb = Vec::new();
                if !peer.send(&frame(HEADERS, END_HEADERS, stream, &block)) {
                    break;
                }
            }
        }
        std::thread::sleep(LONG);
    });
}

#[test]
fn large_headers_on_all_streams_pin_no_more_than_their_limits() {
    let target = Target::start();
    target.survives("15 KiB headers on 128 streams", 16 << 20, |wrapper| {
        let mut peer = Peer::connect(wrapper);
        let mut head = Head::of(GET_STATE);
        for number in 0..300 {
            head = head.with(&format!("x{number}"), "yyyyyyyyyyyyy");
        }
        for _ in 0..128 {
            let stream = peer.open();
            assert!(peer.send(&head.call(stream, &until_gone())));
        }
        std::thread::sleep(LONG);
        assert!(peer.send(&ping()));
        peer.wait_for("a sign of life", |frame| frame.kind == PING);
    });
}

#[test]
fn calls_that_the_server_is_made_to_reset_are_cut_off() {
    let target = Target::start();
    target.survives("MadeYouReset", 4 << 20, |wrapper| {
        for_long(|| {
            let mut peer = Peer::connect(wrapper);
            let mut opened = 0;
            let mut taken = true;
            while taken && opened < 10_000 {
                let stream = peer.open();
                let call = Head::of(GET_STATE).call(stream, &until_gone());
                // An increment of zero is an error of that stream (RFC 9113, section 6.9).
                taken = peer.send(&[call, window_update(stream, 0)].concat());
                opened += 1;
            }
            assert!(opened < 2000, "{opened} streams");
            let goodbyes = peer.goodbyes();
            assert!(!goodbyes.is_empty());
        });
    });
}

#[test]
fn answers_without_a_window_pin_no_more_than_their_limits() {
    let target = Target::start();
    target.survives("zero window, 128 answers", 4 << 20, |wrapper| {
        let mut peer = Peer::connect(wrapper);
        assert!(peer.send(&setting(4, 0)));
        for _ in 0..128 {
            let stream = peer.open();
            assert!(peer.send(&Head::of(GET_STATE).call(stream, &message(b""))));
        }
        std::thread::sleep(LONG);
    });
}

#[test]
fn flow_control_bounds_a_peer_that_never_reads() {
    let target = Target::start();
    target.survives("slow read", 8 << 20, |wrapper| {
        let mut peer = Peer::connect(wrapper);
        let some = Duration::from_millis(100);
        peer.stream.set_write_timeout(Some(some)).unwrap();
        // Until the socket is full both ways.
        for _ in 0..100_000 {
            let stream = peer.open();
            let call = Head::of(GET_STATE).call(stream, &message(b""));
            if std::io::Write::write_all(&mut peer.stream, &call).is_err() {
                break;
            }
        }
        std::thread::sleep(LONG);
    });
}
