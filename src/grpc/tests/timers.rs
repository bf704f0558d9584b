//! The timers of a connection on virtual time: what each ends, and the frames that tell the peer.

use std::time::Duration;

use super::http2::{DATA, END_STREAM, HEADERS, PING, frame};
use super::peer::{self, Frame, FramePeer};
use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// Limits without the timers that a test does not enable.
fn limits() -> Limits {
    Limits {
        idle_timeout: Duration::MAX,
        keepalive_interval: Duration::MAX,
        max_age: Duration::MAX,
        ..Limits::default()
    }
}

fn connected(limits: Limits) -> (World, FramePeer, Dropped) {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    echo(&mut router);
    let world = World::with_limits(router, limits);
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    peer.frames(&world);
    (world, peer, dropped)
}

/// The kinds of frames.
fn kinds(frames: &[Frame]) -> Vec<u8> {
    frames.iter().map(|frame| frame.kind).collect()
}

#[test]
fn an_idle_connection_gets_goaway_and_is_closed() {
    let timeout = Duration::from_secs(300);
    let (world, mut peer, _) = connected(Limits {
        idle_timeout: timeout,
        ..limits()
    });
    // PINGs do not keep a connection.
    for _ in 0..299 {
        world.advance(Duration::from_secs(1));
        assert!(peer.send(&world, frame(PING, 0, 0, b"pingping")));
    }
    assert_eq!(peer.goaways(&world), []);
    world.advance(Duration::from_secs(1));
    assert_eq!(peer.goaways(&world), [(0x7fff_ffff, 0)]);
    world.advance(world.limits.goaway_timeout);
    assert_eq!(peer.goaways(&world), [(0, 0)]);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_connection_with_a_call_is_not_idle() {
    let timeout = Duration::from_secs(300);
    let (world, mut peer, dropped) = connected(Limits {
        idle_timeout: timeout,
        ..limits()
    });
    let call = peer::call(1, "/t.T/Hang", END_STREAM);
    assert!(peer.send(&world, call));
    for _ in 0..10 {
        world.advance(timeout);
    }
    assert_eq!(peer.goaways(&world), []);
    assert!(!dropped.get());
    assert!(peer.send(&world, frame(http2::RST_STREAM, 0, 1, &[0, 0, 0, 8])));
    assert!(dropped.get());
    world.advance(timeout - MILLI);
    assert_eq!(peer.goaways(&world), []);
    world.advance(MILLI);
    assert_eq!(peer.goaways(&world), [(0x7fff_ffff, 0)]);
}

#[test]
fn the_call_of_a_vanished_peer_is_cancelled() {
    let (world, mut peer, dropped) = connected(Limits {
        keepalive_interval: Duration::from_secs(120),
        ..limits()
    });
    let call = peer::call(1, "/t.T/Hang", END_STREAM);
    assert!(peer.send(&world, call));
    peer.frames(&world);
    world.advance(Duration::from_secs(120));
    let pings = peer.frames(&world);
    assert_eq!(kinds(&pings), [PING]);
    // It acknowledges this PING, so the next comes later.
    let answer = frame(PING, 1, 0, &pings[0].payload);
    assert!(peer.send(&world, answer));
    world.advance(Duration::from_secs(119));
    assert!(peer.frames(&world).is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(kinds(&peer.frames(&world)), [PING]);
    world.advance(world.limits.keepalive_timeout - MILLI);
    assert!(!dropped.get());
    world.advance(MILLI);
    assert!(dropped.get());
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn calls_at_the_maximum_age_have_a_grace_and_then_end_as_unavailable() {
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
        "the status is in the trailers"
    );
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn an_answer_without_window_ends_at_the_write_timeout() {
    let (world, mut peer, _) = connected(limits());
    // An initial window of zero (RFC 9113, section 6.9.2).
    let setting = [0, 4, 0, 0, 0, 0];
    assert!(peer.send(&world, frame(http2::SETTINGS, 0, 0, &setting)));
    assert!(peer.send(&world, peer::call(1, "/t.T/Echo", END_STREAM)));
    assert!(kinds(&peer.frames(&world)).contains(&HEADERS));
    world.advance(world.limits.write_timeout - MILLI);
    assert!(peer.frames(&world).is_empty());
    world.advance(MILLI);
    // Nothing of the message was sent, so trailers are possible.
    let frames = peer.frames(&world);
    assert_eq!(kinds(&frames), [HEADERS]);
    assert_eq!(frames[0].flags & END_STREAM, END_STREAM);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_window_that_opens_in_time_is_used() {
    let (world, mut peer, _) = connected(limits());
    let setting = [0, 4, 0, 0, 0, 0];
    assert!(peer.send(&world, frame(http2::SETTINGS, 0, 0, &setting)));
    assert!(peer.send(&world, peer::call(1, "/t.T/Echo", END_STREAM)));
    peer.frames(&world);
    // Byte by byte: slow, but in time.
    for _ in 0..5 {
        world.advance(world.limits.write_timeout - MILLI);
        let more = frame(http2::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        assert!(peer.send(&world, more));
        assert_eq!(kinds(&peer.frames(&world))[..1], [DATA]);
    }
}

#[test]
fn a_peer_that_does_not_read_is_dropped() {
    let world = World::with_limits(Router::new(), limits());
    let (mut ours, theirs) = world::pipe(100);
    world.serve(theirs);
    let pings = frame(PING, 0, 0, b"pingping");
    let bytes = [http2::PREFACE_AND_SETTINGS, &pings.repeat(20)].concat();
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
fn the_longest_idle_connection_is_evicted_for_a_new_one() {
    let (world, mut busy, dropped) = connected(Limits {
        max_connections: 3,
        ..limits()
    });
    assert!(busy.send(&world, peer::call(1, "/t.T/Hang", END_STREAM)));
    let mut others: Vec<_> = (0..3)
        .map(|_| {
            world.advance(Duration::from_secs(1));
            let mut peer = FramePeer::connect(&world);
            peer.send_preface(&world);
            peer
        })
        .collect();
    assert_eq!(world.server.connections(), 3);
    assert_eq!(others[0].goaways(&world), [(0, 0)]);
    assert_eq!(others[1].goaways(&world), []);
    assert_eq!(others[2].goaways(&world), []);
    assert!(!dropped.get(), "a connection with a call is not evicted");
}

#[test]
fn connections_without_progress_are_evicted_first() {
    let (world, mut active, _) = connected(Limits {
        max_connections: 2,
        ..limits()
    });
    assert!(active.send(&world, peer::call(1, "/t.T/Echo", END_STREAM)));
    for _ in 0..50 {
        world.advance(Duration::from_secs(1));
        let mut idle = FramePeer::connect(&world);
        idle.send_preface(&world);
    }
    assert_eq!(active.goaways(&world), []);
}

#[test]
fn without_an_idle_connection_the_new_one_is_closed() {
    let (world, mut busy, _) = connected(Limits {
        max_connections: 1,
        ..limits()
    });
    assert!(busy.send(&world, peer::call(1, "/t.T/Hang", END_STREAM)));
    let mut late = FramePeer::connect(&world);
    world.settle();
    assert_eq!(world.server.connections(), 1);
    assert!(!late.send(&world, http2::PREFACE_AND_SETTINGS.to_vec()));
    assert_eq!(busy.goaways(&world), []);
}

#[test]
fn where_calls_may_end_the_oldest_connection_of_the_busiest_peer_makes_way() {
    let (world, mut alone, _) = connected(Limits {
        max_connections: 3,
        evict_calls: true,
        ..limits()
    });
    assert!(alone.send(&world, peer::call(1, "/t.T/Hang", END_STREAM)));
    let connect = |host| {
        let (ours, theirs) = world::pipe(256 * 1024);
        let peer = Peer::Tcp(([10, 0, 0, host], 1).into());
        world
            .executor
            .spawn(world.server.serve(theirs, peer))
            .detach();
        let mut peer = FramePeer::new(ours);
        peer.send_preface(&world);
        peer.send(&world, peer::call(1, "/t.T/Hang", END_STREAM));
        peer
    };
    let (mut older, mut newer) = (connect(2), connect(2));
    let mut probe = connect(3);
    world.settle();
    assert_eq!(world.server.connections(), 3);
    let goaways = |peer: &mut FramePeer| peer.goaways(&world).len();
    assert_eq!(goaways(&mut alone), 0);
    assert_eq!(goaways(&mut older), 1);
    assert_eq!((goaways(&mut newer), goaways(&mut probe)), (0, 0));
}
