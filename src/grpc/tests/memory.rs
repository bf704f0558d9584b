//! What calls may hold together, and who is refused once it is spent.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use smol::io::{AsyncRead, AsyncWrite};

use super::world::Pipe;
use super::*;

fn world(own_memory: usize, shared_memory: usize) -> (World, Dropped) {
    let mut router = Router::new();
    echo(&mut router);
    let dropped = hang(&mut router);
    router.streaming("/t.T/Collect", |_, mut exchange: Exchange| async move {
        while exchange.receive::<String>().await?.is_some() {}
        exchange.send(&String::new()).await
    });
    let limits = Limits {
        own_memory,
        shared_memory,
        ..Limits::default()
    };
    (World::with_limits(router, limits), dropped)
}

/// Starts a call that waits for as long as the task lives.
fn wait(world: &World, channel: &Channel) -> smol::Task<Result<String, Status>> {
    let channel = channel.clone();
    world.start(async move {
        channel
            .unary("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    })
}

#[test]
fn a_call_without_room_is_refused_and_others_go_on() {
    // Room for one call as it begins, with its head, and none for a second beside it.
    let (world, dropped) = world(26 * 1024, 0);
    let (channel, _driver) = world.connect();
    let (other, _other_driver) = world.connect();
    let waiting = wait(&world, &channel);
    let refused = channel.clone();
    let refused = world.run(async move { echo_once(&refused, "hello").await });
    let status = refused.unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
    assert!(status.message.contains("try again later"), "{status}");
    assert!(
        !dropped.get(),
        "the call that waits has nothing to do with it"
    );
    // What a connection has of its own is there whatever the others hold.
    let answer = world.run(async move { echo_once(&other, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
    // What ends gives back what it held.
    drop(waiting);
    world.settle();
    assert!(dropped.get());
    let answer = world.run(async move { echo_once(&channel, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

#[test]
fn what_all_share_goes_to_whoever_comes_first() {
    let (world, _) = world(0, 60 * 1024);
    let (channel, _driver) = world.connect();
    let (other, _other_driver) = world.connect();
    // Once they have begun they hold less than at the start: about 5 KiB each.
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
fn half_a_message_is_counted_as_it_comes_and_not_as_it_was_declared() {
    let (world, _) = world(64 * 1024, 0);
    let mut peer = peer::Peer::connect(&world);
    peer.greet(&world);
    let head = peer::call(1, "/t.T/Collect", 0);
    // 60,000 bytes are declared; the message in `head` is an empty one before it.
    let declared = [0, 0, 0, 0xea, 0x60];
    assert!(peer.send(&world, head));
    assert!(peer.send(&world, peer::frame(peer::DATA, 0, 1, &declared)));
    let ended = |frames: &[peer::Came]| {
        let ends = |frame: &&peer::Came| frame.kind == peer::HEADERS;
        frames.iter().filter(ends).count()
    };
    let frames = peer.frames(&world);
    assert_eq!(ended(&frames), 0, "{frames:?}");
    let mut sent = 0;
    let frames = loop {
        assert!(sent < 60_000, "all of it was taken");
        let piece = [b'x'; 10_000];
        assert!(peer.send(&world, peer::frame(peer::DATA, 0, 1, &piece)));
        sent += piece.len();
        let frames = peer.frames(&world);
        if ended(&frames) > 0 {
            break frames;
        }
    };
    assert!(sent > 20_000, "refused after {sent} bytes");
    // Refused in one frame, and the rest of the stream is not waited for.
    assert_eq!(ended(&frames), 1, "{frames:?}");
    assert!(frames.iter().any(|frame| frame.kind == peer::RST_STREAM));
    // What it held is free again.
    let (channel, _driver) = world.connect();
    let answer = world.run(async move { echo_once(&channel, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

/// A world whose connections have room for a call that runs, and little more.
fn answering(size: usize) -> World {
    let mut router = Router::new();
    router.unary("/t.T/Long", move |_, _: String| async move {
        Ok("x".repeat(size))
    });
    let limits = Limits {
        own_memory: 26 * 1024,
        shared_memory: 0,
        ..Limits::default()
    };
    World::with_limits(router, limits)
}

#[test]
fn an_answer_that_does_not_fit_is_dropped_and_not_kept_for_a_reader() {
    let world = answering(40 * 1024);
    let mut peer = peer::Peer::connect(&world);
    peer.greet(&world);
    // No window for any answer (SETTINGS_INITIAL_WINDOW_SIZE).
    let none = peer::frame(peer::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    assert!(peer.send(&world, none));
    assert!(peer.send(&world, peer::call(1, "/t.T/Long", peer::END_STREAM)));
    let frames = peer.frames(&world);
    let heads = frames.iter().filter(|frame| frame.kind == peer::HEADERS);
    let ended = heads.filter(|frame| frame.flags & peer::END_STREAM != 0);
    assert_eq!(ended.count(), 1, "{frames:?}");
    assert_eq!(world.server.memory_taken(), 0);
}

/// A handler that panics while it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// Methods that end in every way, or do not end at all.
fn odd() -> World {
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
        own_memory: 0,
        shared_memory: 400 * 1024,
        ..Limits::default()
    };
    World::with_limits(router, limits)
}

/// A stream that makes whoever reads it panic once it is told to.
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

/// Calls of all methods, some with their end, some with half a message after the first.
fn call_all(world: &World, peer: &mut peer::Peer, round: u32) {
    let methods = ["Echo", "Hang", "Flood", "Collect", "Panic", "Bomb", "None"];
    for (number, method) in (0..35).zip(methods.iter().cycle()) {
        let stream = 2 * number + 1;
        let ends = (number + round).is_multiple_of(3);
        let flags = if ends { peer::END_STREAM } else { 0 };
        assert!(peer.send(world, peer::call(stream, &format!("/t.T/{method}"), flags)));
        if !ends {
            let half = [&[0, 0, 0, 0x40, 0][..], &[b'x'; 900]].concat();
            assert!(peer.send(world, peer::frame(peer::DATA, 0, stream, &half)));
        }
    }
}

#[test]
fn calls_give_back_what_they_held_however_they_end() {
    type Parting = fn(&World, &mut peer::Peer, &Cell<bool>);
    let partings: [(&str, Parting); 7] = [
        ("lost", |_, _, _| ()),
        ("reset", |world, peer, _| {
            for stream in (0..35).map(|number| 2 * number + 1) {
                let cancel = 8_u32.to_be_bytes();
                peer.send(world, peer::frame(peer::RST_STREAM, 0, stream, &cancel));
            }
            world.settle();
            assert_eq!(world.server.memory_taken(), 0);
        }),
        ("a frame that ends the connection", |world, peer, _| {
            peer.send(world, peer::frame(peer::SETTINGS, 0, 1, &[]));
        }),
        ("GOAWAY", |world, peer, _| {
            peer.send(world, peer::frame(peer::GOAWAY, 0, 0, &[0; 8]));
        }),
        ("silent", |world, _, _| {
            for _ in 0..10 {
                world.advance(world.limits.keepalive_interval);
            }
            assert_eq!(world.server.memory_taken(), 0);
        }),
        ("the server drains", |world, _, _| {
            let server = world.server.clone();
            let drain = world.start(async move { server.drain(Duration::ZERO).await });
            for _ in 0..10 {
                world.advance(Duration::from_secs(1));
            }
            world.finish(drain);
            assert_eq!(world.server.memory_taken(), 0);
        }),
        ("a panic", |world, peer, now| {
            now.set(true);
            peer.send(world, peer::frame(peer::PING, 0, 0, &[0; 8]));
            world.settle();
            assert_eq!(world.server.memory_taken(), 0);
        }),
    ];
    for (name, part) in partings {
        for round in 0..6 {
            let world = odd();
            let (ours, theirs) = world::pipe(256 * 1024);
            let now = Rc::new(Cell::new(false));
            world.serve(Faulty {
                io: theirs,
                now: Rc::clone(&now),
            });
            let mut peer = peer::Peer::of(ours);
            peer.greet(&world);
            call_all(&world, &mut peer, round);
            world.settle();
            assert!(world.server.memory_taken() > 0, "{name}: something waits");
            part(&world, &mut peer, &now);
            drop(peer);
            world.settle();
            assert_eq!(world.server.memory_taken(), 0, "{name}, {round}");
        }
    }
}
