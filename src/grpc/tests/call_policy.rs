//! What the gate refuses does not begin.

use std::time::Duration;

use smol::io::AsyncReadExt as _;
use smol::io::AsyncWriteExt as _;

use super::hostile::GREETING;
use super::*;
use crate::grpc::server::call_policy::{CallPolicy, CallRefusal, PendingCall};
use crate::net::peer::Peer;

/// Refuses `/t.T/Echo`, after a second.
#[derive(Debug)]
struct Shut;

const WAIT: Duration = Duration::from_secs(1);

impl CallPolicy for Shut {
    fn admit(&self, asked: &PendingCall<'_>) -> Result<(), CallRefusal> {
        if asked.path != "/t.T/Echo" {
            return Ok(());
        }
        let status = Status::new(Code::PermissionDenied, "not you");
        Err(CallRefusal {
            status,
            after: WAIT,
        })
    }
}

fn world() -> (World, world::Pipe) {
    world_with(Limits::default())
}

fn world_with(limits: Limits) -> (World, world::Pipe) {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::with_limits(router, limits);
    let (ours, theirs) = world::pipe(256 * 1024);
    let server = world.server.clone();
    let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
    world
        .executor
        .spawn(async move {
            server
                .admit()
                .unwrap()
                .serve(Rc::new(Shut), theirs, peer)
                .await
        })
        .detach();
    (world, ours)
}

#[test]
fn a_refused_call_is_answered_after_its_wait_and_the_connection_lives() {
    let (world, io) = world();
    let limits = world.limits;
    let (channel, connection) = world.run(async move {
        super::super::client::handshake(io, "x", &limits)
            .await
            .unwrap()
    });
    let _driver = world.start(connection);
    let refused = channel.clone();
    let call = world.start(async move { echo_once(&refused, "hello").await });
    world.advance(WAIT.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(!call.is_finished());
    world.advance(Duration::from_millis(1));
    let status = world.finish(call).unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (Code::PermissionDenied, "not you")
    );
    let other = world.run(async move {
        channel
            .unary::<(), ()>("/t.T/Other", &(), CallOptions::default())
            .await
    });
    assert_eq!(other.unwrap_err().code, Code::Unimplemented);
}

#[test]
fn a_call_that_waits_for_its_refusal_keeps_no_place_from_others() {
    let (world, io) = world_with(Limits {
        max_connections: 1,
        ..Limits::default()
    });
    let limits = world.limits;
    let (channel, connection) = world.run(async move {
        super::super::client::handshake(io, "x", &limits)
            .await
            .unwrap()
    });
    let _driver = world.start(connection);
    let call = world.start(async move { echo_once(&channel, "hello").await });
    assert!(!call.is_finished());
    let newcomer = world.server.admit();
    assert!(newcomer.is_some());
    assert_ne!(world.finish(call).unwrap_err().code, Code::PermissionDenied);
    world.advance(world.limits.close_timeout);
    assert_eq!(world.server.connections(), 1);
}

/// HEADERS without END_STREAM and a DATA frame that begins a message and never ends it.
fn half_a_call() -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/t.T/Echo"),
        (":authority", "x"),
        ("content-type", "application/grpc"),
    ] {
        // Literal without indexing, RFC 7541, section 6.2.2; all lengths are below 127.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &1_u32.to_be_bytes()].concat();
        [head.as_slice(), payload].concat()
    };
    [
        GREETING,
        &frame(1, 4, &block),
        &frame(0, 0, b"\0\0\0\0\x20part"),
    ]
    .concat()
}

#[test]
fn the_answer_comes_before_the_message_has() {
    let (world, mut io) = world();
    let sent = half_a_call();
    let task = world.start(async move {
        io.write_all(&sent).await.unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            let read = io.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..read]);
            // HEADERS that end the stream (flags 5), then RST_STREAM with NO_ERROR.
            let headers = seen.windows(6).position(|at| at == [1, 5, 0, 0, 0, 1]);
            let reset = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0];
            let reset = seen.windows(reset.len()).position(|at| at == reset);
            if let (Some(headers), Some(reset)) = (headers, reset) {
                return headers < reset;
            }
        }
    });
    world.advance(WAIT);
    assert!(world.finish(task));
}
