//! Calls that wait for an event: their limit on each connection.

use std::pin::pin;

use super::*;

/// A world of `max_waits`, with `/t.T/Wait`, which never ends, and `/t.T/Happened`.
fn world(max_waits: usize) -> World {
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Wait", |context: Context, _: String| async move {
        let never = pin!(std::future::pending::<String>());
        context.waits.until(never).await
    });
    router.unary("/t.T/Happened", |context: Context, text: String| {
        let happened = std::future::ready(text);
        async move { context.waits.until(pin!(happened)).await }
    });
    let limits = Limits {
        max_waits,
        ..Limits::default()
    };
    World::with_limits(router, limits)
}

fn call(
    world: &World,
    channel: &Channel,
    path: &'static str,
) -> smol::Task<Result<String, Status>> {
    let channel = channel.clone();
    let text = "hello".to_owned();
    world.start(async move { channel.unary(path, &text, CallOptions::default()).await })
}

#[test]
fn waits_beyond_the_limit_are_refused_and_other_calls_answered() {
    let world = world(2);
    let (channel, _driver) = world.connect();
    let mut waiting: Vec<_> = (0..2)
        .map(|_| call(&world, &channel, "/t.T/Wait"))
        .collect();
    let refused = world.finish(call(&world, &channel, "/t.T/Wait"));
    let status = refused.unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
    assert!(status.message.contains("2 calls wait"), "{status}");
    for path in ["/t.T/Echo", "/t.T/Happened"] {
        let answer = world.finish(call(&world, &channel, path));
        assert_eq!(answer.as_deref(), Ok("hello"), "{path}");
    }
    // Another connection has a limit of its own.
    let (other, _other_driver) = world.connect();
    assert!(!call(&world, &other, "/t.T/Wait").is_finished());
    // The end of a wait makes room for another.
    drop(waiting.pop());
    world.settle();
    let again = call(&world, &channel, "/t.T/Wait");
    assert!(!again.is_finished());
    let refused = world.finish(call(&world, &channel, "/t.T/Wait"));
    assert_eq!(refused.unwrap_err().code, Code::ResourceExhausted);
}

#[test]
fn a_connection_has_streams_beyond_its_waits() {
    let limits = Limits::default();
    // RFC 9113, section 6.5.2.
    assert!(limits.max_concurrent_streams >= 100);
    let streams = usize::try_from(limits.max_concurrent_streams).unwrap();
    assert!(limits.max_waits >= 100 && limits.max_waits < streams);
    assert!(limits.max_pending_accept_resets >= streams);
}
