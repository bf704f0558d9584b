//! The memory budget of calls, and the refusals beyond it.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use smol::io::{AsyncRead, AsyncWrite};

use super::http2::{DATA, END_STREAM, HEADERS, RST_STREAM, SETTINGS, frame};
use super::peer::{self, Frame, FramePeer};
use super::world::Pipe;
use super::*;

fn world(connection_memory: usize, shared_memory: usize) -> (World, Dropped) {
    let mut router = Router::new();
    echo(&mut router);
    let dropped = hang(&mut router);
    router.streaming("/t.T/Collect", |_, mut exchange: Exchange| async move {
        while exchange.receive::<String>().await?.is_some() {}
        exchange.send(&String::new()).await
    });
    let limits = Limits {
        connection_memory,
        shared_memory,
        ..Limits::default()
    };
    (World::with_limits(router, limits), dropped)
}

/// Starts a call that waits until its task is dropped.
fn wait(world: &World, channel: &Channel) -> smol::Task<Result<String, Status>> {
    let channel = channel.clone();
    world.start(async move {
        channel
            .unary("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    })
}

#[test]
fn a_call_beyond_the_budget_is_refused_and_others_continue() {
    // The budget of one call with its head.
    let (world, dropped) = world(26 * 1024, 0);
    let (channel, _driver) = world.connect();
    let (other, _other_driver) = world.connect();
    let waiting = wait(&world, &channel);
    let refused = channel.clone();
    let refused = world.run(async move { echo_once(&refused, "hello").await });
    let status = refused.unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
    assert!(status.message.contains("try again later"), "{status}");
    assert!(!dropped.get(), "the waiting call continues");
    // Each connection has a budget of its own.
    let answer = world.run(async move { echo_once(&other, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
    // The end of a call releases its memory.
    drop(waiting);
    world.settle();
    assert!(dropped.get());
    let answer = world.run(async move { echo_once(&channel, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

#[test]
fn the_shared_budget_goes_to_the_first_calls() {
    let (world, _) = world(0, 60 * 1024);
    let (channel, _driver) = world.connect();
    let (other, _other_driver) = world.connect();
    // Once they wait without their heads they hold about 5 KiB each.
    let waiting: Vec<_> = (0..8).map(|_| wait(&world, &channel)).collect();
    assert!(waiting.iter().all(|call| !call.is_finished()));
    let refused = other.clone();
    let refused = world.run(async move { echo_once(&refused, "hello").await });
    assert_eq!(refused.unwrap_err().code, Code::ResourceExhausted);
    drop(waiting);
    world.settle();
    let answer = world.run(async move { echo_once(&other, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

#[test]
fn a_partial_message_counts_its_received_bytes_only() {
    let (world, _) = world(64 * 1024, 0);
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    let head = peer::call(1, "/t.T/Collect", 0);
    // A message of 60,000 bytes, after the empty one of `call`.
    let declared = [0, 0, 0, 0xea, 0x60];
    assert!(peer.send(&world, head));
    assert!(peer.send(&world, frame(DATA, 0, 1, &declared)));
    let ended = |frames: &[Frame]| {
        let ends = |frame: &&Frame| frame.kind == HEADERS;
        frames.iter().filter(ends).count()
    };
    let frames = peer.frames(&world);
    assert_eq!(ended(&frames), 0, "{frames:?}");
    let mut sent = 0;
    let frames = loop {
        assert!(sent < 60_000, "the whole message was accepted");
        let piece = [b'x'; 10_000];
        assert!(peer.send(&world, frame(DATA, 0, 1, &piece)));
        sent += piece.len();
        let frames = peer.frames(&world);
        if ended(&frames) > 0 {
            break frames;
        }
    };
    assert!(sent > 20_000, "refused after {sent} bytes");
    // The refusal is one frame, and the stream is reset.
    assert_eq!(ended(&frames), 1, "{frames:?}");
    assert!(frames.iter().any(|frame| frame.kind == RST_STREAM));
    // Its memory is released.
    let (channel, _driver) = world.connect();
    let answer = world.run(async move { echo_once(&channel, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

/// A world with a budget for one running call, whose answer has `size` bytes.
fn answering(size: usize) -> World {
    let mut router = Router::new();
    router.unary("/t.T/Long", move |_, _: String| async move {
        Ok("x".repeat(size))
    });
    let limits = Limits {
        connection_memory: 26 * 1024,
        shared_memory: 0,
        ..Limits::default()
    };
    World::with_limits(router, limits)
}

#[test]
fn an_answer_beyond_the_budget_does_not_wait_for_its_reader() {
    let world = answering(40 * 1024);
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    // No window for an answer (SETTINGS_INITIAL_WINDOW_SIZE).
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    assert!(peer.send(&world, no_window));
    assert!(peer.send(&world, peer::call(1, "/t.T/Long", END_STREAM)));
    let frames = peer.frames(&world);
    let heads = frames.iter().filter(|frame| frame.kind == HEADERS);
    let ended = heads.filter(|frame| frame.flags & END_STREAM != 0);
    assert_eq!(ended.count(), 1, "{frames:?}");
    assert_eq!(world.server.memory_used(), 0);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// Methods that end in every way, or never.
fn every_method() -> World {
    let mut router = Router::new();
    echo(&mut router);
    hang(&mut router);
    flood(&mut router, 3000);
    router.streaming("/t.T/Collect", |_, mut exchange: Exchange| async move {
        while exchange.receive::<String>().await?.is_some() {}
        exchange.send(&String::new()).await
    });
    router.streaming("/t.T/Panic", |_, _| async { panic!("on purpose") });
    router.streaming("/t.T/Bomb", |_, mut exchange: Exchange| async move {
        let _bomb = Bomb;
        let _: Option<String> = exchange.receive().await?;
        std::future::pending().await
    });
    let limits = Limits {
        connection_memory: 0,
        shared_memory: 400 * 1024,
        ..Limits::default()
    };
    World::with_limits(router, limits)
}

/// A stream of which a read panics once `now` is set.
struct Faulty {
    io: Pipe,
    now: Rc<Cell<bool>>,
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.now.get(), "on purpose");
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

/// Calls every method five times; two thirds of the calls continue with half a message.
fn call_all(world: &World, peer: &mut FramePeer, round: u32) {
    let methods = ["Echo", "Hang", "Flood", "Collect", "Panic", "Bomb", "None"];
    for (number, method) in (0..35).zip(methods.iter().cycle()) {
        let stream = 2 * number + 1;
        let complete = (number + round).is_multiple_of(3);
        let flags = if complete { END_STREAM } else { 0 };
        assert!(peer.send(world, peer::call(stream, &format!("/t.T/{method}"), flags)));
        if !complete {
            let half = [&[0, 0, 0, 0x40, 0][..], &[b'x'; 900]].concat();
            assert!(peer.send(world, frame(DATA, 0, stream, &half)));
        }
    }
}

#[test]
fn calls_release_their_memory_at_every_kind_of_end() {
    type Ending = fn(&World, &mut FramePeer, &Cell<bool>);
    let endings: [(&str, Ending); 7] = [
        ("a lost connection", |_, _, _| ()),
        ("resets", |world, peer, _| {
            for stream in (0..35).map(|number| 2 * number + 1) {
                let cancel = 8_u32.to_be_bytes();
                peer.send(world, frame(RST_STREAM, 0, stream, &cancel));
            }
            world.settle();
            assert_eq!(world.server.memory_used(), 0);
        }),
        ("a frame that ends the connection", |world, peer, _| {
            peer.send(world, frame(SETTINGS, 0, 1, &[]));
        }),
        ("GOAWAY", |world, peer, _| {
            peer.send(world, frame(http2::GOAWAY, 0, 0, &[0; 8]));
        }),
        ("the keepalive timeout", |world, _, _| {
            for _ in 0..10 {
                world.advance(world.limits.keepalive_interval);
            }
            assert_eq!(world.server.memory_used(), 0);
        }),
        ("the server drains", |world, _, _| {
            let server = world.server.clone();
            let drain = world.start(async move { server.drain(Duration::ZERO).await });
            for _ in 0..10 {
                world.advance(Duration::from_secs(1));
            }
            world.finish(drain);
            assert_eq!(world.server.memory_used(), 0);
        }),
        ("a panic", |world, peer, now| {
            now.set(true);
            peer.send(world, frame(http2::PING, 0, 0, &[0; 8]));
            world.settle();
            assert_eq!(world.server.memory_used(), 0);
        }),
    ];
    for (name, end) in endings {
        for round in 0..6 {
            let world = every_method();
            let (ours, theirs) = world::pipe(256 * 1024);
            let now = Rc::new(Cell::new(false));
            world.serve(Faulty {
                io: theirs,
                now: Rc::clone(&now),
            });
            let mut peer = FramePeer::new(ours);
            peer.send_preface(&world);
            call_all(&world, &mut peer, round);
            world.settle();
            assert!(world.server.memory_used() > 0, "{name}: no call waits");
            end(&world, &mut peer, &now);
            drop(peer);
            world.settle();
            assert_eq!(world.server.memory_used(), 0, "{name}, {round}");
        }
    }
}
