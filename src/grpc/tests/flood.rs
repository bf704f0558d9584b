//! Frames that bring no call forward, each kind of them, and work that must never be taken for that.

use std::time::Duration;

use super::peer::{self, Peer, frame};
use super::*;

const ENHANCE_YOUR_CALM: u32 = 0xb;

fn world() -> World {
    let mut router = Router::new();
    router.unary("/t.T/Empty", |_, (): ()| async { Ok(()) });
    hang(&mut router);
    World::new(router)
}

/// What a flood of each kind consists of.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PING", frame(peer::PING, 0, 0, b"pingping")),
        (
            "PING acknowledgements",
            frame(peer::PING, 1, 0, b"pingping"),
        ),
        ("SETTINGS", frame(peer::SETTINGS, 0, 0, b"")),
        ("PRIORITY", frame(peer::PRIORITY, 0, 1, &[0, 0, 0, 0, 9])),
        (
            "WINDOW_UPDATE",
            frame(peer::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
        ("unknown frames", frame(0x42, 0, 0, b"")),
    ]
}

/// Sends `bytes` until the server has closed the connection, at most `most` times; how often it was.
fn send_until_closed(world: &World, peer: &mut Peer, bytes: &[u8], most: usize) -> usize {
    (0..most)
        .take_while(|_| peer.send(world, bytes.to_vec()))
        .count()
}

#[test]
fn floods_end_their_connection_and_nobody_elses() {
    for (name, bytes) in floods() {
        let world = world();
        let (channel, _driver) = world.connect();
        let mut peer = Peer::connect(&world);
        peer.greet(&world);
        let burst = usize::try_from(world.limits.flood_burst).unwrap();
        let sent = send_until_closed(&world, &mut peer, &bytes.repeat(100), burst);
        assert!(sent * 100 <= burst + 200, "{name}: {sent} hundreds");
        let goodbyes = peer.goodbyes(&world);
        assert_eq!(goodbyes, [(0, ENHANCE_YOUR_CALM)], "{name}");
        assert_eq!(world.server.connections(), 1, "{name}");
        let call = async move {
            channel
                .unary::<(), ()>("/t.T/Empty", &(), CallOptions::default())
                .await
        };
        assert_eq!(world.run(call), Ok(()), "{name}");
    }
}

#[test]
fn the_allowed_rate_is_never_a_flood() {
    for (name, bytes) in floods() {
        let world = world();
        let mut peer = Peer::connect(&world);
        peer.greet(&world);
        let rate = usize::try_from(world.limits.flood_rate).unwrap();
        for _ in 0..60 {
            assert!(peer.send(&world, bytes.repeat(rate)), "{name}");
            assert_eq!(peer.goodbyes(&world), [], "{name}");
            world.advance(Duration::from_secs(1));
        }
    }
}

#[test]
fn calls_reset_as_soon_as_they_are_opened_are_a_flood() {
    let world = world();
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    let mut opened = 0;
    // One at a time, so that h2's own limit, for those reset before we saw them, is not met.
    for stream in (1..20_000).step_by(2) {
        let call = peer::call(stream, "/t.T/Hang", peer::END_STREAM);
        let reset = frame(peer::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        if !peer.send(&world, call) || !peer.send(&world, reset) {
            break;
        }
        opened += 1;
    }
    assert!((100..1000).contains(&opened), "{opened}");
    let last = peer.goodbyes(&world).pop().unwrap();
    assert_eq!(last.1, ENHANCE_YOUR_CALM);
}

#[test]
fn a_client_that_gives_up_calls_now_and_then_is_no_flood() {
    let world = world();
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    // 64 at once, each given up after a second, for ten minutes.
    for second in 0..600 {
        let streams = (0..64).map(|call| second * 128 + call * 2 + 1);
        let calls: Vec<u8> = streams
            .clone()
            .flat_map(|stream| peer::call(stream, "/t.T/Hang", peer::END_STREAM))
            .collect();
        assert!(peer.send(&world, calls));
        world.advance(Duration::from_secs(1));
        let resets: Vec<u8> = streams
            .flat_map(|stream| frame(peer::RST_STREAM, 0, stream, &[0, 0, 0, 8]))
            .collect();
        assert!(peer.send(&world, resets));
        assert_eq!(peer.goodbyes(&world), [], "second {second}");
    }
}

#[test]
fn a_client_that_works_is_never_held_up_however_fast_it_is() {
    let world = world();
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    // No time passes at all. Each call comes with two WINDOW_UPDATEs and a PING, as some clients do it.
    for stream in (1..40_001).step_by(2) {
        let frames = [
            peer::call(stream, "/t.T/Empty", peer::END_STREAM),
            frame(peer::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 5]),
            frame(peer::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]),
            frame(peer::PING, 0, 0, b"pingping"),
        ];
        assert!(peer.send(&world, frames.concat()));
        if stream % 100 == 1 {
            assert_eq!(peer.goodbyes(&world), [], "stream {stream}");
        }
    }
}

#[test]
fn messages_of_one_call_count_as_work() {
    let mut router = Router::new();
    router.streaming("/t.T/PingPong", |_, mut exchange: Exchange| async move {
        while let Some(()) = exchange.receive().await? {
            exchange.send(&()).await?;
        }
        Ok(())
    });
    let world = World::new(router);
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    assert!(peer.send(&world, peer::call(1, "/t.T/PingPong", 0)));
    for _ in 0..10_000 {
        let frames = [
            frame(peer::DATA, 0, 1, &[0; 5]),
            frame(peer::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 5]),
            frame(peer::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]),
        ];
        assert!(peer.send(&world, frames.concat()));
    }
    assert_eq!(peer.goodbyes(&world), []);
}

#[test]
fn any_split_of_a_message_into_frames_is_work() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    let head = peer::call(1, "/t.T/Echo", 0);
    // Without the message that the call brings.
    assert!(peer.send(&world, head[..head.len() - 14].to_vec()));
    let text = vec![b'x'; 60_000];
    let field = [&[0x0a, 0xe0, 0xd4, 0x03][..], &text].concat();
    let length = u32::try_from(field.len()).unwrap().to_be_bytes();
    let message = [&[0][..], &length, &field].concat();
    let bytes: Vec<u8> = message
        .iter()
        .flat_map(|byte| frame(peer::DATA, 0, 1, &[*byte]))
        .collect();
    for some in bytes.chunks(200_000) {
        assert!(peer.send(&world, some.to_vec()));
    }
    assert!(peer.send(&world, frame(peer::DATA, peer::END_STREAM, 1, b"")));
    let frames = peer.frames(&world);
    assert!(frames.iter().all(|frame| frame.kind != peer::GOAWAY));
    let answered: usize = frames
        .iter()
        .filter(|frame| frame.kind == peer::DATA)
        .map(|frame| frame.payload.len())
        .sum();
    assert_eq!(answered, message.len());
}

#[test]
fn a_header_block_that_never_ends_ends_its_connection() {
    let world = world();
    let mut peer = Peer::connect(&world);
    peer.greet(&world);
    assert!(peer.send(&world, frame(peer::HEADERS, 0, 1, b"")));
    let piece = frame(peer::CONTINUATION, 0, 1, &[0; 0]);
    let sent = send_until_closed(&world, &mut peer, &piece, 10_000);
    assert!(sent < 3000, "{sent}");
    assert_eq!(peer.goodbyes(&world).len(), 1);
    assert_eq!(world.server.connections(), 0);
}
