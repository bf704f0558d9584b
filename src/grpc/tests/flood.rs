//! Floods of frames without progress, and busy clients that are not a flood.

use std::time::Duration;

use super::http2::{PING, RST_STREAM, WINDOW_UPDATE, frame};
use super::peer::{self, FramePeer};
use super::*;

fn world() -> World {
    let mut router = Router::new();
    router.unary("/t.T/Empty", |_, (): ()| async { Ok(()) });
    hang(&mut router);
    World::new(router)
}

/// A frame of each kind of flood.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PING", frame(PING, 0, 0, b"pingping")),
        ("PING acknowledgements", frame(PING, 1, 0, b"pingping")),
        ("SETTINGS", frame(http2::SETTINGS, 0, 0, b"")),
        ("PRIORITY", frame(http2::PRIORITY, 0, 1, &[0, 0, 0, 0, 9])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown frames", frame(0x42, 0, 0, b"")),
    ]
}

/// Sends `bytes` up to `most` times, until the server closes the connection; returns how often.
fn send_until_closed(world: &World, peer: &mut FramePeer, bytes: &[u8], most: usize) -> usize {
    (0..most)
        .take_while(|_| peer.send(world, bytes.to_vec()))
        .count()
}

#[test]
fn a_flood_ends_its_own_connection_only() {
    for (name, bytes) in floods() {
        let world = world();
        let (channel, _driver) = world.connect();
        let mut peer = FramePeer::connect(&world);
        peer.send_preface(&world);
        let burst = usize::try_from(world.limits.flood_burst).unwrap();
        let sent = send_until_closed(&world, &mut peer, &bytes.repeat(100), burst);
        assert!(sent * 100 <= burst + 200, "{name}: {sent} hundreds");
        let goaways = peer.goaways(&world);
        assert_eq!(goaways, [(0, http2::ENHANCE_YOUR_CALM)], "{name}");
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
fn the_configured_rate_is_not_a_flood() {
    for (name, bytes) in floods() {
        let world = world();
        let mut peer = FramePeer::connect(&world);
        peer.send_preface(&world);
        let rate = usize::try_from(world.limits.flood_rate).unwrap();
        for _ in 0..60 {
            assert!(peer.send(&world, bytes.repeat(rate)), "{name}");
            assert_eq!(peer.goaways(&world), [], "{name}");
            world.advance(Duration::from_secs(1));
        }
    }
}

#[test]
fn calls_reset_as_soon_as_they_are_opened_are_a_flood() {
    let world = world();
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    let mut opened = 0;
    // One at a time, below h2's own limit of streams that are reset before we see them.
    for stream in (1..20_000).step_by(2) {
        let call = peer::call(stream, "/t.T/Hang", http2::END_STREAM);
        let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        if !peer.send(&world, call) || !peer.send(&world, reset) {
            break;
        }
        opened += 1;
    }
    assert!((100..1000).contains(&opened), "{opened}");
    let last = peer.goaways(&world).pop().unwrap();
    assert_eq!(last.1, http2::ENHANCE_YOUR_CALM);
}

#[test]
fn occasional_resets_are_not_a_flood() {
    let world = world();
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    // 64 in flight, each reset after a second, for ten minutes.
    for second in 0..600 {
        let streams = (0..64).map(|call| second * 128 + call * 2 + 1);
        let calls: Vec<u8> = streams
            .clone()
            .flat_map(|stream| peer::call(stream, "/t.T/Hang", http2::END_STREAM))
            .collect();
        assert!(peer.send(&world, calls));
        world.advance(Duration::from_secs(1));
        let resets: Vec<u8> = streams
            .flat_map(|stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]))
            .collect();
        assert!(peer.send(&world, resets));
        assert_eq!(peer.goaways(&world), [], "second {second}");
    }
}

#[test]
fn a_client_with_progress_is_never_a_flood() {
    let world = world();
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    // No time passes. Each call comes with two WINDOW_UPDATEs and a PING, as some clients send.
    for stream in (1..40_001).step_by(2) {
        let frames = [
            peer::call(stream, "/t.T/Empty", http2::END_STREAM),
            frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 5]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]),
            frame(PING, 0, 0, b"pingping"),
        ];
        assert!(peer.send(&world, frames.concat()));
        if stream % 100 == 1 {
            assert_eq!(peer.goaways(&world), [], "stream {stream}");
        }
    }
}

#[test]
fn messages_of_one_call_are_progress() {
    let mut router = Router::new();
    router.streaming("/t.T/PingPong", |_, mut exchange: Exchange| async move {
        while let Some(()) = exchange.receive().await? {
            exchange.send(&()).await?;
        }
        Ok(())
    });
    let world = World::new(router);
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    assert!(peer.send(&world, peer::call(1, "/t.T/PingPong", 0)));
    for _ in 0..10_000 {
        let frames = [
            frame(http2::DATA, 0, 1, &[0; 5]),
            frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 5]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]),
        ];
        assert!(peer.send(&world, frames.concat()));
    }
    assert_eq!(peer.goaways(&world), []);
}

#[test]
fn any_split_of_a_message_into_frames_is_progress() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    let head = peer::call(1, "/t.T/Echo", 0);
    // Without the empty message of `call`.
    assert!(peer.send(&world, head[..head.len() - 14].to_vec()));
    let text = vec![b'x'; 60_000];
    let field = [&[0x0a, 0xe0, 0xd4, 0x03][..], &text].concat();
    let length = u32::try_from(field.len()).unwrap().to_be_bytes();
    let message = [&[0][..], &length, &field].concat();
    let bytes: Vec<u8> = message
        .iter()
        .flat_map(|byte| frame(http2::DATA, 0, 1, &[*byte]))
        .collect();
    for some in bytes.chunks(200_000) {
        assert!(peer.send(&world, some.to_vec()));
    }
    assert!(peer.send(&world, frame(http2::DATA, http2::END_STREAM, 1, b"")));
    let frames = peer.frames(&world);
    assert!(frames.iter().all(|frame| frame.kind != http2::GOAWAY));
    let answered: usize = frames
        .iter()
        .filter(|frame| frame.kind == http2::DATA)
        .map(|frame| frame.payload.len())
        .sum();
    assert_eq!(answered, message.len());
}

#[test]
fn an_endless_header_block_ends_its_connection() {
    let world = world();
    let mut peer = FramePeer::connect(&world);
    peer.send_preface(&world);
    assert!(peer.send(&world, frame(http2::HEADERS, 0, 1, b"")));
    let piece = frame(http2::CONTINUATION, 0, 1, &[0; 0]);
    let sent = send_until_closed(&world, &mut peer, &piece, 10_000);
    assert!(sent < 3000, "{sent}");
    assert_eq!(peer.goaways(&world).len(), 1);
    assert_eq!(world.server.connections(), 0);
}
