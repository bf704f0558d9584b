//! How serving ends.

use std::time::Duration;

use smol::io::AsyncWriteExt as _;

use super::*;

const BOUND: Duration = Duration::from_secs(30);

#[test]
fn an_idle_connection_is_closed_at_once() {
    let world = World::new(Router::new());
    let (_channel, driver) = world.connect();
    assert_eq!(world.server.connections(), 1);
    let server = world.server.clone();
    world.run(async move { server.drain(BOUND).await });
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
fn a_running_call_may_end_and_no_new_one_starts() {
    let gate = Rc::new(event_listener::Event::new());
    let open = Rc::clone(&gate);
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Wait", move |_, (): ()| {
        let listener = gate.listen();
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
    let drain = world.start(async move { server.drain(BOUND).await });
    let refused = world.run(async move { echo_once(&channel, "late").await });
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
    assert!(!drain.is_finished());
    open.notify(usize::MAX);
    assert_eq!(world.finish(running).unwrap(), "done");
    world.finish(drain);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn after_the_bound_calls_are_ended_and_connections_closed() {
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
    let drain = world.start(async move { server.drain(BOUND).await });
    world.advance(BOUND - Duration::from_millis(1));
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
    let drains: Vec<_> = [BOUND, BOUND / 2, BOUND * 2]
        .into_iter()
        .map(|bound| {
            let server = world.server.clone();
            world.start(async move { server.drain(bound).await })
        })
        .collect();
    world.advance(BOUND / 2 - Duration::from_millis(1));
    assert!(!dropped.get());
    world.advance(Duration::from_millis(1));
    assert!(dropped.get());
    for drain in drains {
        world.finish(drain);
    }
}

#[test]
fn an_idle_peer_that_does_not_read_is_dropped_soon() {
    let world = World::new(Router::new());
    // Room for our SETTINGS, the acknowledgement of theirs and the window, but not for a GOAWAY.
    let (mut ours, theirs) = world::pipe(60);
    world.serve(theirs);
    let ours = world.run(async move {
        ours.write_all(hostile::GREETING).await.unwrap();
        ours
    });
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(BOUND).await });
    world.advance(world.limits.goodbye_timeout);
    assert!(!drain.is_finished());
    assert_eq!(world.server.connections(), 1);
    world.advance(world.limits.close_timeout);
    world.finish(drain);
    assert_eq!(world.server.connections(), 0);
    drop(ours);
}

#[test]
fn an_idle_peer_that_does_not_answer_is_closed_soon() {
    let world = World::new(Router::new());
    let mut peer = peer::Peer::connect(&world);
    peer.greet(&world);
    let server = world.server.clone();
    let drain = world.start(async move { server.drain(BOUND).await });
    world.advance(world.limits.goodbye_timeout - Duration::from_millis(1));
    assert!(!drain.is_finished());
    world.advance(Duration::from_millis(1));
    world.finish(drain);
    let goodbyes: Vec<_> = peer.goodbyes(&world);
    assert_eq!(goodbyes, [(0x7fff_ffff, 0), (0, 0)]);
}

#[test]
fn a_connection_that_comes_during_the_drain_is_closed() {
    let world = World::new(Router::new());
    let server = world.server.clone();
    world.run(async move { server.drain(BOUND).await });
    let _raw = world.connect_raw();
    world.settle();
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_peer_without_greeting_is_dropped_at_its_deadline() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for greeting in [&b""[..], &PREFACE[..10], PREFACE] {
        let world = World::new(Router::new());
        let mut raw = world.connect_raw();
        let _raw = world.run(async move {
            raw.write_all(greeting).await.unwrap();
            raw
        });
        let timeout = world.limits.handshake_timeout;
        world.advance(timeout - Duration::from_millis(1));
        assert_eq!(world.server.connections(), 1, "{greeting:?}");
        world.advance(Duration::from_millis(1));
        assert_eq!(world.server.connections(), 0, "{greeting:?}");
    }
}
