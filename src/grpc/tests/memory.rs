//! What calls may hold together, and who is refused once it is spent.

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
