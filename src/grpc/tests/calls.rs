//! Calls between a client and a server, and handlers that panic or wait.

use std::cell::RefCell;

use http::HeaderMap;

use super::*;

#[test]
fn a_unary_call_is_answered() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let answer = world.run(async move { echo_once(&channel, "hello").await });
    assert_eq!(answer.unwrap(), "hello");
}

#[test]
fn an_empty_message_is_a_message() {
    let mut router = Router::new();
    router.unary("/t.T/Empty", |_, ()| async { Ok(()) });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let call = async move {
        channel
            .unary::<(), ()>("/t.T/Empty", &(), CallOptions::default())
            .await
    };
    assert_eq!(world.run(call), Ok(()));
}

#[test]
fn messages_larger_than_every_window_pass_in_both_directions() {
    let mut router = Router::new();
    echo(&mut router);
    let limits = Limits {
        max_message: 4 << 20,
        ..Limits::default()
    };
    let world = World::with_limits(router, limits);
    let (channel, _driver) = world.connect();
    let text = "y".repeat(3 << 20);
    let sent = text.clone();
    let answer = world.run(async move { echo_once(&channel, &sent).await });
    assert!(answer.unwrap() == text);
}

#[test]
fn a_handler_gets_the_context_of_its_call() {
    let seen = Rc::new(RefCell::new(None::<Context>));
    let view = Rc::clone(&seen);
    let mut router = Router::new();
    router.unary("/t.T/Look", move |context, (): ()| {
        *seen.borrow_mut() = Some(context);
        async { Ok(()) }
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let mut metadata = HeaderMap::new();
    metadata.insert("x-key", "value".parse().unwrap());
    let options = CallOptions {
        timeout: Some(std::time::Duration::from_secs(5)),
        metadata,
    };
    world
        .run(async move { channel.unary::<(), ()>("/t.T/Look", &(), options).await })
        .unwrap();
    let context = view.borrow().clone().unwrap();
    assert_eq!(context.method, "/t.T/Look");
    assert_eq!(context.metadata["x-key"], "value");
    assert_eq!(context.metadata["grpc-timeout"], "5000000u");
    assert_eq!(
        context.peer.to_string(),
        crate::net::peer::Peer::Tcp(([127, 0, 0, 1], 1).into()).to_string()
    );
    let deadline = context.deadline.unwrap();
    assert_eq!(
        deadline - crate::clock::Clock::now(&world.clock),
        std::time::Duration::from_secs(5)
    );
}

#[test]
fn messages_alternate_in_both_directions() {
    let mut router = Router::new();
    router.streaming("/t.T/PingPong", |_, mut exchange: Exchange| async move {
        while let Some(text) = exchange.receive::<String>().await? {
            exchange.send(&format!("re: {text}")).await?;
        }
        exchange.send(&"bye".to_owned()).await
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    world.run(async move {
        let (mut requests, mut responses) = channel
            .open("/t.T/PingPong", CallOptions::default())
            .await
            .unwrap();
        for text in ["a", "b", "c"] {
            requests.send(&text.to_owned()).await.unwrap();
            let answer = responses.receive::<String>().await.unwrap();
            assert_eq!(answer.unwrap(), format!("re: {text}"));
        }
        requests.finish().await;
        assert_eq!(responses.receive::<String>().await.unwrap().unwrap(), "bye");
        assert_eq!(responses.receive::<String>().await, Ok(None));
        assert_eq!(responses.receive::<String>().await, Ok(None));
    });
}

#[test]
fn metadata_goes_before_and_after_the_messages() {
    let mut router = Router::new();
    router.streaming("/t.T/Meta", |_, mut exchange: Exchange| async move {
        let fail: bool = exchange.receive_only().await?;
        let map = |name: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), "1".parse().unwrap())])
        };
        exchange.set_initial_metadata(map("x-initial"));
        exchange.set_trailing_metadata(map("x-trailing"));
        if fail {
            return Err(Status::new(Code::NotFound, "☃"));
        }
        exchange.send(&()).await
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    world.run(async move {
        for fail in [false, true] {
            let (mut requests, mut responses) = channel
                .open("/t.T/Meta", CallOptions::default())
                .await
                .unwrap();
            requests.send(&fail).await.unwrap();
            requests.finish().await;
            assert_eq!(responses.headers().await["x-initial"], "1");
            let result = responses.receive_only::<()>().await;
            assert_eq!(result.is_err(), fail);
            if let Err(status) = result {
                assert_eq!(status, Status::new(Code::NotFound, "☃"));
            }
            assert_eq!(responses.trailers()["x-trailing"], "1");
        }
    });
}

#[test]
fn a_panic_ends_its_own_call_only() {
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Panic", |_, (): ()| async {
        if true {
            panic!("on purpose");
        }
        Ok(())
    });
    router.unary(
        "/t.T/PanicAtOnce",
        |_, (): ()| -> std::future::Ready<Result<(), Status>> {
            panic!("on purpose");
        },
    );
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let other = channel.clone();
    let other = world.start(async move { echo_once(&other, "before").await });
    world.run(async move {
        for path in ["/t.T/Panic", "/t.T/PanicAtOnce"] {
            let result = channel
                .unary::<(), ()>(path, &(), CallOptions::default())
                .await;
            assert_eq!(result.unwrap_err().code, Code::Internal);
        }
        assert_eq!(echo_once(&channel, "after").await.unwrap(), "after");
    });
    assert_eq!(world.finish(other).unwrap(), "before");
}

#[test]
fn a_panic_in_a_destructor_at_the_deadline_ends_its_own_call_only() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Bomb", |_, (): ()| async {
        let _bomb = Bomb;
        std::future::pending::<Result<(), Status>>().await
    });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let bomb = channel.clone();
    let options = CallOptions {
        timeout: Some(std::time::Duration::from_secs(1)),
        ..CallOptions::default()
    };
    let bomb = world.start(async move { bomb.unary::<(), ()>("/t.T/Bomb", &(), options).await });
    world.advance(std::time::Duration::from_secs(1));
    assert_eq!(world.finish(bomb).unwrap_err().code, Code::Cancelled);
    assert_eq!(
        world
            .run(async move { echo_once(&channel, "after").await })
            .unwrap(),
        "after"
    );
}

#[test]
fn dropping_a_call_drops_its_handler() {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let call = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    });
    assert!(!dropped.get());
    drop(call);
    world.settle();
    assert!(dropped.get());
    assert_eq!(
        world.server.connections(),
        0,
        "the last channel was dropped, so the client has closed"
    );
}

#[test]
fn losing_the_connection_drops_the_handler() {
    let mut router = Router::new();
    let dropped = hang(&mut router);
    let world = World::new(router);
    let (channel, driver) = world.connect();
    let call = world.start(async move {
        channel
            .unary::<String, String>("/t.T/Hang", &String::new(), CallOptions::default())
            .await
    });
    assert!(!dropped.get());
    drop(driver);
    assert_eq!(world.finish(call).unwrap_err().code, Code::Unavailable);
    assert!(dropped.get());
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_streaming_handler_waits_for_a_slow_reader() {
    let mut router = Router::new();
    let sent = flood(&mut router, 10_000);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let (requests, mut responses) = world.run(async move {
        channel
            .open("/t.T/Flood", CallOptions::default())
            .await
            .unwrap()
    });
    world.settle();
    let taken = sent.get();
    assert!((1..20).contains(&taken), "{taken} messages were taken");
    world.run(async move {
        for _ in 0..20 {
            assert_eq!(
                responses.receive::<String>().await.unwrap().unwrap().len(),
                10_000
            );
        }
        drop((requests, responses));
    });
    assert!(
        sent.get() >= 20,
        "it continues with the reader: {}",
        sent.get()
    );
}

#[test]
fn an_answer_counts_although_the_request_is_blocked() {
    let mut router = Router::new();
    router.streaming("/t.T/Refuse", |_, exchange: Exchange| async move {
        // Kept, so that the stream is open until the answer.
        let _exchange = exchange;
        Err(Status::new(Code::PermissionDenied, "not you"))
    });
    let limits = Limits {
        max_message: 1 << 20,
        ..Limits::default()
    };
    let world = World::with_limits(router, limits);
    let (channel, _driver) = world.connect();
    let text = "z".repeat(500_000);
    let result = world.run(async move {
        channel
            .unary::<String, String>("/t.T/Refuse", &text, CallOptions::default())
            .await
    });
    assert_eq!(result.unwrap_err().code, Code::PermissionDenied);
}

#[test]
fn a_message_over_the_limit_is_not_sent() {
    let mut router = Router::new();
    echo(&mut router);
    router.unary("/t.T/Long", |_, (): ()| async { Ok("z".repeat(65 * 1024)) });
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    world.run(async move {
        let result = echo_once(&channel, &"z".repeat(65 * 1024)).await;
        assert_eq!(result.unwrap_err().code, Code::ResourceExhausted);
        let result = channel
            .unary::<(), String>("/t.T/Long", &(), CallOptions::default())
            .await;
        assert_eq!(result.unwrap_err().code, Code::ResourceExhausted);
    });
}
