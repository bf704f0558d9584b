//! The drain.

use std::time::Duration;

use smol::io::AsyncWriteExt as _;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn an_idle_connection_is_closed_at_once() {
    let world = World::new(Router::new());
    let (_channel, driver) = world.connect();
    assert_eq!(world.server.connections(), 1);
    let server = world.server.clone();
    world.run(async move { server.drain(TIMEOUT).await });
    assert_eq!(world.server.connections(), 0);
    world.finish(driver);
}

#[test]
fn draining_without_connections_completes_at_once() {
    let world = World::new(Router::new());
    let server = world.server.clone();
    world.run(async move { server.drain(Duration::MAX).await });
}

#[test]
fn a_call_in_flight_may_end_and_no_new_one_starts() {
    let event = Rc::new(event_listener::Event::new());
    let finish = Rc::clone(&event);
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Wait", move |_, (): ()| {
        let listener = event.listen();
        async move {
            listener.await;
            Ok("done".to_owned())
        }
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let running = channel.clone();
    let running = world.start(async move {
        running
            .unary::<(), String>("/t.T/Wait", &(), CallOptions::default())
            .await
    });
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(TIMEOUT).await });
    let refused = world.run(async move { echo_once(&channel, "late").await });
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
    assert!(!drain.is_finished());
    finish.notify(usize::MAX);
    assert_eq!(world.finish(running).unwrap(), "done");
    world.finish(drain);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn calls_are_terminated_at_the_deadline_of_the_drain() {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let call = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    });
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(TIMEOUT).await });
    world.advance(TIMEOUT - Duration::from_millis(1));
    assert!(!drain.is_finished() && !dropped.get());
    world.advance(Duration::from_millis(1));
    world.finish(drain);
    assert!(dropped.get());
    assert_eq!(world.finish(call).unwrap_err().code, Code::Unavailable);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_second_drain_can_only_shorten_the_first() {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let _call = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    });
    let drains: Vec<_> = [TIMEOUT, TIMEOUT / 2, TIMEOUT * 2]
        .into_iter()
        .map(|timeout| {
            let server = world.server.clone();
            world.start(async move { server.drain(timeout).await })
        })
        .collect();
    world.advance(TIMEOUT / 2 - Duration::from_millis(1));
    assert!(!dropped.get());
    world.advance(Duration::from_millis(1));
    assert!(dropped.get());
    for drain in drains {
        world.finish(drain);
    }
}

#[test]
fn an_idle_peer_that_does_not_read_is_dropped_at_the_close_timeout() {
    let world = World::new(Router::new());
    // Room for SETTINGS, its acknowledgement and a WINDOW_UPDATE, but not for a GOAWAY.
    let (mut ours, theirs) = world::pipe(60);
    world.serve(theirs);
    let ours = world.run(async move {
        ours.write_all(http2::PREFACE_AND_SETTINGS).await.unwrap();
        ours
    });
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(TIMEOUT).await });
    world.advance(world.limits.goaway_timeout);
    assert!(!drain.is_finished());
    assert_eq!(world.server.connections(), 1);
    world.advance(world.limits.close_timeout);
    world.finish(drain);
    assert_eq!(world.server.connections(), 0);
    drop(ours);
}

#[test]
fn an_idle_peer_that_does_not_answer_is_closed_at_the_goaway_timeout() {
    let world = World::new(Router::new());
    let mut peer = peer::FramePeer::connect(&world);
    peer.send_preface(&world);
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(TIMEOUT).await });
    world.advance(world.limits.goaway_timeout - Duration::from_millis(1));
    assert!(!drain.is_finished());
    world.advance(Duration::from_millis(1));
    world.finish(drain);
    assert_eq!(peer.goaways(&world), [(0x7fff_ffff, 0), (0, 0)]);
}

#[test]
fn a_connection_during_the_drain_is_closed() {
    let world = World::new(Router::new());
    let server = world.server.clone();
    world.run(async move { server.drain(TIMEOUT).await });
    let _raw = world.connect_raw();
    world.settle();
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_peer_without_preface_is_dropped_at_the_handshake_timeout() {
    for sent in [&b""[..], &http2::PREFACE[..10], http2::PREFACE] {
        let world = World::new(Router::new());
        let mut raw = world.connect_raw();
        let _raw = world.run(async move {
            raw.write_all(sent).await.unwrap();
            raw
        });
        let timeout = world.limits.handshake_timeout;
        world.advance(timeout - Duration::from_millis(1));
        assert_eq!(world.server.connections(), 1, "{sent:?}");
        world.advance(Duration::from_millis(1));
        assert_eq!(world.server.connections(), 0, "{sent:?}");
    }
}
