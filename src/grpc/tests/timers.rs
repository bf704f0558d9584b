//! The timers of a connection, on virtual time: what each of them ends, and how the peer learns of it.

use std::time::Duration;

use super::peer::{self, Peer, frame};
use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// Timers short enough for small steps; those that a test is not about, out of its way.
fn limits() -> Limits {
    Limits {
        idle_timeout: Duration::MAX,
        keepalive_interval: Duration::MAX,
        max_age: Duration::MAX,
        ..Limits::default()
    }
}

fn preface_received(limits: Limits) -> (World, Peer, Dropped) {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    echo(&mut router);
    let world = World::with_limits(router, limits);
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    peer.frames(&world);
    (world, peer, dropped)
}

/// What kinds of frames came.
fn kinds(frames: &[peer::Came]) -> Vec<u8> {
    frames.iter().map(|frame| frame.kind).collect()
}

#[test]
fn an_idle_connection_is_told_to_leave_and_closed() {
    let timeout = Duration::from_secs(300);
    let (world, mut peer, _) = preface_received(Limits {
        idle_timeout: timeout,
        ..limits()
    });
    // Pings are no reason to stay.
    for _ in 0..299 {
        world.advance(Duration::from_secs(1));
        assert!(peer.send(&world, frame(peer::PING, 0, 0, b"pingping")));
    }
    assert_eq!(peer.goodbyes(&world), []);
    world.advance(Duration::from_secs(1));
    assert_eq!(peer.goodbyes(&world), [(0x7fff_ffff, 0)]);
    world.advance(world.limits.goodbye_timeout);
    assert_eq!(peer.goodbyes(&world), [(0, 0)]);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_connection_with_a_call_is_not_idle() {
    let timeout = Duration::from_secs(300);
    let (world, mut peer, dropped) = preface_received(Limits {
        idle_timeout: timeout,
        ..limits()
    });
    let call = peer::call(1, "/t.T/Hang", peer::END_STREAM);
    assert!(peer.send(&world, call));
    for _ in 0..10 {
        world.advance(timeout);
    }
    assert_eq!(peer.goodbyes(&world), []);
    assert!(!dropped.get());
    assert!(peer.send(&world, frame(peer::RST_STREAM, 0, 1, &[0, 0, 0, 8])));
    assert!(dropped.get());
    world.advance(timeout - MILLI);
    assert_eq!(peer.goodbyes(&world), []);
    world.advance(MILLI);
    assert_eq!(peer.goodbyes(&world), [(0x7fff_ffff, 0)]);
}

#[test]
fn a_peer_that_has_vanished_is_noticed_and_its_call_cancelled() {
    let (world, mut peer, dropped) = preface_received(Limits {
        keepalive_interval: Duration::from_secs(120),
        ..limits()
    });
    let call = peer::call(1, "/t.T/Hang", peer::END_STREAM);
    assert!(peer.send(&world, call));
    peer.frames(&world);
    world.advance(Duration::from_secs(120));
    let asked = peer.frames(&world);
    assert_eq!(kinds(&asked), [peer::PING]);
    // This time it answers, and is asked again later.
    let answer = frame(peer::PING, 1, 0, &asked[0].payload);
    assert!(peer.send(&world, answer));
    world.advance(Duration::from_secs(119));
    assert!(peer.frames(&world).is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(kinds(&peer.frames(&world)), [peer::PING]);
    world.advance(world.limits.keepalive_timeout - MILLI);
    assert!(!dropped.get());
    world.advance(MILLI);
    assert!(dropped.get());
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn at_the_maximum_age_calls_may_end_and_waiting_ones_are_told_to_come_back() {
    let age = Duration::from_secs(1000);
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::with_limits(
        router,
        Limits {
            max_age: age,
            ..limits()
        },
    );
    let (channel, _driver) = world.connect();
    let waiting = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    });
    world.advance(age);
    assert!(!dropped.get() && !waiting.is_finished());
    world.advance(world.limits.age_grace - MILLI);
    assert!(!dropped.get() && !waiting.is_finished());
    world.advance(MILLI);
    assert!(dropped.get());
    let status = world.finish(waiting).unwrap_err();
    assert_eq!(status.code, Code::Unavailable);
    assert_eq!(
        status.message, "the connection has to end; call again on a new one",
        "it came in trailers"
    );
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn an_answer_without_room_in_the_window_is_given_up() {
    let (world, mut peer, _) = preface_received(limits());
    // An initial window of zero (RFC 9113, section 6.9.2).
    let setting = [0, 4, 0, 0, 0, 0];
    assert!(peer.send(&world, frame(peer::SETTINGS, 0, 0, &setting)));
    assert!(peer.send(&world, peer::call(1, "/t.T/Echo", peer::END_STREAM)));
    assert!(kinds(&peer.frames(&world)).contains(&peer::HEADERS));
    world.advance(world.limits.write_timeout - MILLI);
    assert!(peer.frames(&world).is_empty());
    world.advance(MILLI);
    // Nothing of the message has gone, so there is a place for trailers.
    let frames = peer.frames(&world);
    assert_eq!(kinds(&frames), [peer::HEADERS]);
    assert_eq!(frames[0].flags & peer::END_STREAM, peer::END_STREAM);
    // The connection is not to blame.
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_window_that_opens_in_time_lets_the_answer_through() {
    let (world, mut peer, _) = preface_received(limits());
    let setting = [0, 4, 0, 0, 0, 0];
    assert!(peer.send(&world, frame(peer::SETTINGS, 0, 0, &setting)));
    assert!(peer.send(&world, peer::call(1, "/t.T/Echo", peer::END_STREAM)));
    peer.frames(&world);
    // Byte by byte, each in time: slow, but alive.
    for _ in 0..5 {
        world.advance(world.limits.write_timeout - MILLI);
        let more = frame(peer::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        assert!(peer.send(&world, more));
        assert_eq!(kinds(&peer.frames(&world))[..1], [peer::DATA]);
    }
}

#[test]
fn a_peer_that_does_not_read_is_dropped() {
    let world = World::with_limits(Router::new(), limits());
    let (mut ours, theirs) = world::pipe(100);
    world.serve(theirs);
    let pings = frame(peer::PING, 0, 0, b"pingping");
    let bytes = [hostile::GREETING, &pings.repeat(20)].concat();
    let _writing = world.start(async move {
        use smol::io::AsyncWriteExt as _;
        let _ = ours.write_all(&bytes).await;
        ours
    });
    world.advance(world.limits.write_timeout - MILLI);
    assert_eq!(world.server.connections(), 1);
    world.advance(MILLI);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_place_for_a_new_one() {
    let (world, mut busy, dropped) = preface_received(Limits {
        max_connections: 3,
        ..limits()
    });
    assert!(busy.send(&world, peer::call(1, "/t.T/Hang", peer::END_STREAM)));
    let mut others: Vec<_> = (0..3)
        .map(|_| {
            world.advance(Duration::from_secs(1));
            let mut peer = Peer::connect(&world);
            peer.greet(&world);
            peer
        })
        .collect();
    assert_eq!(world.server.connections(), 3);
    assert_eq!(others[0].goodbyes(&world), [(0, 0)]);
    assert_eq!(others[1].goodbyes(&world), []);
    assert_eq!(others[2].goodbyes(&world), []);
    assert!(!dropped.get(), "a connection with a call keeps its place");
}

#[test]
fn a_client_that_works_keeps_its_place_longer_than_those_that_never_did() {
    let (world, mut honest, _) = preface_received(Limits {
        max_connections: 2,
        ..limits()
    });
    assert!(honest.send(&world, peer::call(1, "/t.T/Echo", peer::END_STREAM)));
    for _ in 0..50 {
        world.advance(Duration::from_secs(1));
        let mut hoarder = Peer::connect(&world);
        hoarder.greet(&world);
    }
    assert_eq!(honest.goodbyes(&world), []);
}

#[test]
fn without_an_idle_connection_the_new_one_is_closed() {
    let (world, mut busy, _) = preface_received(Limits {
        max_connections: 1,
        ..limits()
    });
    assert!(busy.send(&world, peer::call(1, "/t.T/Hang", peer::END_STREAM)));
    let mut late = Peer::connect(&world);
    world.settle();
    assert_eq!(world.server.connections(), 1);
    assert!(!late.send(&world, hostile::GREETING.to_vec()));
    assert_eq!(busy.goodbyes(&world), []);
}
