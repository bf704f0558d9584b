//! The connection options, seen from a peer.

use std::time::{Duration, Instant};

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};
use crate::support::{self, DRAINS};

#[test]
fn a_connection_without_calls_is_closed_after_the_idle_timeout() {
    let wrapper = support::start_ready(&["--idle-timeout", "1s"], DRAINS);
    let mut busy = Peer::connect(&wrapper);
    let waiting = busy.open();
    assert!(busy.send(&Head::of(GET_STATE).call(waiting, &until_gone())));
    let begun = Instant::now();
    let mut idle = Peer::connect(&wrapper);
    assert_eq!(
        idle.goodbyes(),
        [(0x7fff_ffff, NO_ERROR), (0, NO_ERROR)],
        "told to go, and closed because it did not"
    );
    let passed = begun.elapsed();
    assert!(passed >= Duration::from_secs(1), "{passed:?}");
    // One with a call stays, and takes more.
    let answer = busy.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
}

#[test]
fn a_connection_gets_goaway_at_its_maximum_age_and_its_call_continues() {
    let wrapper = support::start_ready(&["--max-connection-age", "1s"], DRAINS);
    let mut peer = Peer::connect(&wrapper);
    let waiting = peer.open();
    assert!(peer.send(&Head::of(GET_STATE).call(waiting, &until_gone())));
    let goaway_timeout = peer.wait_for("GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!(
        (goaway_timeout.number(0), goaway_timeout.number(1)),
        (0x7fff_ffff, NO_ERROR)
    );
    wrapper.signal(nix::sys::signal::Signal::SIGQUIT);
    assert_eq!(peer.answer(waiting).code(), Some(0));
}

#[test]
fn max_connections_bounds_the_accepted_connections() {
    let wrapper = support::start_ready(&["--max-connections", "2"], DRAINS);
    let mut busy: Vec<_> = (0..2)
        .map(|_| {
            let mut peer = Peer::connect(&wrapper);
            let waiting = peer.open();
            assert!(peer.send(&Head::of(GET_STATE).call(waiting, &until_gone())));
            let answer = peer.call(&Head::of(GET_STATE), &message(b""));
            assert_eq!(answer.code(), Some(0));
            peer
        })
        .collect();
    let mut third = Peer::silent(&wrapper.socket());
    assert_eq!(third.next(), None, "both others have calls");
    // An idle one is evicted.
    assert!(busy[0].send(&reset(1, CANCEL)));
    support::eventually("there is a place again", || {
        let mut peer = Peer::silent(&wrapper.socket());
        peer.send(PREFACE_AND_SETTINGS) && peer.next().is_some()
    });
    let answer = busy[1].call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
}
