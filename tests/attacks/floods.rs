//! Frames that bring no call forward, as fast as a socket takes them, again on a new connection
//! whenever the old one is closed.

use std::time::{Duration, Instant};

use crate::measure::{Target, for_long};
use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};
use crate::support::{self, Wrapper};

/// Memory that a flood may cost: buffers of a few connections.
const MOST: u64 = 4 << 20;

/// Floods with `bytes` behind `first`, connection after connection; each is closed with `errors`.
fn flood(wrapper: &Wrapper, first: &[u8], bytes: &[u8], errors: &[u32]) {
    let many = bytes.repeat(100);
    let start = Instant::now();
    for_long(|| {
        let mut peer = Peer::connect(wrapper);
        let mut taken = peer.send(first);
        while taken {
            taken = peer.send(&many);
        }
        let goodbyes = peer.goodbyes();
        let error = goodbyes.last().map(|goaway_timeout| goaway_timeout.1);
        assert!(
            error.is_some_and(|error| errors.contains(&error)),
            "{goodbyes:?}"
        );
    });
    // A burst, then a line per second.
    let lines = wrapper.stderr.text().matches("too many frames").count();
    let most = 22 + start.elapsed().as_secs();
    assert!(u64::try_from(lines).unwrap() <= most, "{lines} log lines");
}

fn survives(name: &str, first: &[u8], bytes: &[u8], errors: &[u32]) {
    let target = Target::start();
    target.survives(name, MOST, |wrapper| flood(wrapper, first, bytes, errors));
}

#[test]
fn a_flood_of_pings_is_cut_off() {
    survives("PING flood", b"", &ping(), &[ENHANCE_YOUR_CALM]);
}

#[test]
fn a_flood_of_settings_is_cut_off() {
    survives(
        "SETTINGS flood",
        b"",
        &frame(SETTINGS, 0, 0, b""),
        &[ENHANCE_YOUR_CALM],
    );
}

#[test]
fn a_flood_of_priorities_is_cut_off() {
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]);
    survives("PRIORITY flood", b"", &priority, &[ENHANCE_YOUR_CALM]);
}

#[test]
fn a_flood_of_window_updates_is_cut_off() {
    // More would overflow the window, which is a different error.
    let flow_control_error = 3;
    let errors = [ENHANCE_YOUR_CALM, flow_control_error];
    survives("WINDOW_UPDATE flood", b"", &window_update(0, 1), &errors);
}

#[test]
fn a_flood_of_unknown_frames_is_cut_off() {
    survives(
        "unknown-frame flood",
        b"",
        &frame(0x42, 0, 0, b""),
        &[ENHANCE_YOUR_CALM],
    );
}

#[test]
fn a_flood_of_empty_data_is_cut_off() {
    let first = Head::of(GET_STATE).frame(1, 0);
    survives(
        "empty-DATA flood",
        &first,
        &frame(DATA, 0, 1, b""),
        &[ENHANCE_YOUR_CALM],
    );
}

#[test]
fn a_flood_of_continuations_is_cut_off() {
    let first = frame(HEADERS, 0, 1, b"");
    let empty = frame(CONTINUATION, 0, 1, b"");
    survives(
        "CONTINUATION flood, empty",
        &first,
        &empty,
        &[ENHANCE_YOUR_CALM],
    );
    // A field of 40 bytes in each; the list would grow without end.
    let field = block(&[("x".repeat(18), "y".repeat(20))]);
    let full = frame(CONTINUATION, 0, 1, &field);
    survives(
        "CONTINUATION flood, full",
        &first,
        &full,
        &[ENHANCE_YOUR_CALM],
    );
}

#[test]
fn a_flood_of_resets_is_cut_off() {
    let target = Target::start();
    target.survives("rapid reset", MOST, |wrapper| {
        for_long(|| {
            let mut peer = Peer::connect(wrapper);
            let mut taken = true;
            while taken {
                let mut bytes = Vec::new();
                for _ in 0..20 {
                    let stream = peer.open();
                    bytes.extend(Head::of(GET_STATE).call(stream, &until_gone()));
                    bytes.extend(reset(stream, CANCEL));
                }
                taken = peer.send(&bytes);
            }
            let last = peer.goodbyes().pop();
            assert!(
                last.is_some_and(|last| last.1 == ENHANCE_YOUR_CALM),
                "{last:?}"
            );
        });
    });
}

#[test]
fn resets_at_a_pace_that_h2_allows_are_cut_off() {
    let target = Target::start();
    target.survives("paced reset", MOST, |wrapper| {
        let mut most = 0;
        for_long(|| {
            let mut peer = Peer::connect(wrapper);
            let mut opened = 0;
            // The acknowledged ping shows that the call was seen, and so runs, before it is reset.
            loop {
                let stream = peer.open();
                let call = Head::of(GET_STATE).call(stream, &until_gone());
                if !peer.send(&[call, ping()].concat()) || !acknowledged(&mut peer) {
                    break;
                }
                opened += 1;
                if !peer.send(&reset(stream, CANCEL)) {
                    break;
                }
            }
            most = most.max(opened);
        });
        assert!((50..2000).contains(&most), "{most} calls");
    });
}

/// Whether a ping is acknowledged rather than the connection closed.
fn acknowledged(peer: &mut Peer) -> bool {
    while let Some(frame) = peer.next() {
        match frame.kind {
            PING if frame.flags & ACK != 0 => return true,
            GOAWAY => return false,
            _ => {}
        }
    }
    false
}

/// Calls, frames and garbage without a token, on both kinds of listeners that a stranger may reach.
#[test]
fn strangers_do_not_flood_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "correct-horse-battery-staple").unwrap();
    let health = folder.path().join("health");
    let options = [
        format!("--token-file={}", tokens.display()),
        format!("--listen=health=unix:{}", health.display()),
    ];
    let options = options.each_ref().map(|option| &**option);
    let wrapper = support::start_ready(&options, support::DRAINS);
    let before = wrapper.stderr.text().lines().count();
    let start = Instant::now();
    let mut connections = 0_usize;
    while start.elapsed() < Duration::from_secs(3) {
        for socket in [wrapper.socket(), health.clone()] {
            // None waits for its answer, which may be delayed.
            let mut refused = Peer::silent(&socket);
            refused.send(&[PREFACE_AND_SETTINGS, &Head::of(GET_STATE).frame(1, 0)].concat());
            refused.send(&ping());
            refused.wait_for("the ping's answer", |frame| {
                frame.kind == PING && frame.flags & ACK != 0
            });
            let mut garbage = Peer::silent(&socket);
            garbage.send(b"GET / HTTP/1.1\r\n\r\n");
            let mut flood = Peer::silent(&socket);
            let mut taken = flood.send(PREFACE_AND_SETTINGS);
            while taken {
                taken = flood.send(&ping().repeat(100));
            }
            connections += 3;
        }
    }
    // The log is written before the answers, so all lines are there soon after the last one.
    wrapper.stderr.wait_for("too many frames");
    wrapper.stderr.wait_for("outcome=PermissionDenied");
    wrapper.stderr.wait_for("outcome=Unauthenticated");
    let lines = wrapper.stderr.text().lines().count() - before;
    // Three kinds on each listener: a burst, then a line per second.
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let most = 6 * (22 + seconds);
    assert!(
        lines <= most,
        "{lines} log lines of {connections} connections:\n{}",
        wrapper.stderr.text()
    );
    assert!(connections > 60, "{connections} connections are no flood");
}
