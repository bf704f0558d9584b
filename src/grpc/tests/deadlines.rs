//! Calls at their deadline.

use std::time::Duration;

use super::*;

fn within(timeout: Duration) -> CallOptions {
    CallOptions {
        timeout: Some(timeout),
        ..CallOptions::default()
    }
}

#[test]
fn at_the_deadline_the_handler_is_dropped_and_the_client_gets_the_status() {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let options = within(Duration::from_secs(5));
    let call = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), options)
            .await
    });
    world.advance(Duration::from_millis(4_999));
    assert!(!dropped.get());
    world.advance(Duration::from_millis(1));
    assert!(dropped.get());
    assert_eq!(world.finish(call).unwrap_err().code, Code::DeadlineExceeded);
}

#[test]
fn a_call_that_has_expired_on_arrival_never_starts() {
    let started = Rc::new(Cell::new(false));
    let view = Rc::clone(&started);
    let mut router = Router::new();
    router.streaming("/t.T/Start", move |_, _| {
        started.set(true);
        async { Ok(()) }
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let result = world.run(async move {
        channel
            .unary::<(), ()>("/t.T/Start", &(), within(Duration::ZERO))
            .await
    });
    assert_eq!(result.unwrap_err().code, Code::DeadlineExceeded);
    assert!(!view.get());
}

#[test]
fn the_deadline_holds_before_the_request_is_complete() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let options = within(Duration::from_secs(1));
    let call = world.start(async move {
        let (requests, mut responses) = channel.open("/t.T/Echo", options).await.unwrap();
        let result = responses.receive_only::<String>().await;
        drop(requests);
        result
    });
    world.advance(Duration::from_secs(1));
    assert_eq!(world.finish(call).unwrap_err().code, Code::DeadlineExceeded);
}

#[test]
fn trailers_follow_messages_that_were_sent_before_the_deadline() {
    let mut router = Router::new();
    router.streaming("/t.T/Some", |_, mut exchange: Exchange| async move {
        exchange.send(&"first".to_owned()).await?;
        std::future::pending().await
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let options = within(Duration::from_secs(1));
    let call = world.start(async move {
        let (requests, mut responses) = channel.open("/t.T/Some", options).await.unwrap();
        requests.finish().await;
        assert_eq!(
            responses.receive::<String>().await.unwrap().unwrap(),
            "first"
        );
        responses.receive::<String>().await
    });
    world.advance(Duration::from_secs(1));
    assert_eq!(world.finish(call).unwrap_err().code, Code::DeadlineExceeded);
}

#[test]
fn a_partly_sent_message_at_the_deadline_ends_in_a_reset() {
    let mut router = Router::new();
    let sent = flood(&mut router, 60_000);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let options = within(Duration::from_secs(1));
    let (requests, mut responses) =
        world.run(async move { channel.open("/t.T/Flood", options).await.unwrap() });
    // The client does not read, so the second message is blocked by the window.
    world.advance(Duration::from_secs(1));
    assert_eq!(sent.get(), 1);
    let status = world.run(async move {
        let mut last = responses.receive::<String>().await;
        while let Ok(Some(_)) = last {
            last = responses.receive::<String>().await;
        }
        drop(requests);
        last.unwrap_err()
    });
    assert_eq!(status.code, Code::Cancelled);
}

#[test]
fn an_answer_before_the_deadline_is_complete() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    for timeout in [Duration::from_nanos(1), Duration::MAX] {
        let channel = channel.clone();
        let result = world.run(async move {
            channel
                .unary::<String, String>("/t.T/Echo", &"in time".to_owned(), within(timeout))
                .await
        });
        assert_eq!(result.unwrap(), "in time");
    }
}
