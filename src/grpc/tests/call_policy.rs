//! Calls that a policy refuses.

use std::time::Duration;

use smol::io::AsyncReadExt as _;
use smol::io::AsyncWriteExt as _;

use super::*;
use crate::grpc::server::call_policy::{CallPolicy, CallRefusal, PendingCall};
use crate::net::peer::Peer;

/// Refuses `/t.T/Echo` with a delay.
#[derive(Debug)]
struct RefuseEcho;

const DELAY: Duration = Duration::from_secs(1);

impl CallPolicy for RefuseEcho {
    fn admit(&self, call: &PendingCall<'_>) -> Result<(), CallRefusal> {
        if call.path != "/t.T/Echo" {
            return Ok(());
        }
        let status = Status::new(Code::PermissionDenied, "not you");
        Err(CallRefusal {
            delay: DELAY,
            ..status.into()
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
                .admit(&peer)
                .unwrap()
                .serve(Rc::new(RefuseEcho), theirs, peer)
                .await
        })
        .detach();
    (world, ours)
}

#[test]
fn a_refused_call_is_answered_after_its_delay_and_the_connection_lives() {
    let (world, io) = world();
    let limits = world.limits;
    let (channel, connection) =
        world.run(async move { handshake(io, "x", &limits).await.unwrap() });
    let _driver = world.start(connection);
    let refused = channel.clone();
    let call = world.start(async move { echo_once(&refused, "hello").await });
    world.advance(DELAY.checked_sub(Duration::from_millis(1)).unwrap());
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
fn a_delayed_refusal_does_not_prevent_eviction() {
    let (world, io) = world_with(Limits {
        max_connections: 1,
        ..Limits::default()
    });
    let limits = world.limits;
    let (channel, connection) =
        world.run(async move { handshake(io, "x", &limits).await.unwrap() });
    let _driver = world.start(connection);
    let call = world.start(async move { echo_once(&channel, "hello").await });
    assert!(!call.is_finished());
    let admitted = world.server.admit(&Peer::Tcp(([127, 0, 0, 1], 2).into()));
    assert!(admitted.is_some());
    assert_ne!(world.finish(call).unwrap_err().code, Code::PermissionDenied);
    world.advance(world.limits.close_timeout);
    assert_eq!(world.server.connections(), 1);
}

#[test]
fn a_refusal_does_not_wait_for_the_message() {
    let (world, mut io) = world();
    // DATA frames that begin a message and never end it.
    let head = http2::Head::of("/t.T/Echo").frame(1, 0);
    let half = http2::frame(http2::DATA, 0, 1, b"\0\0\0\0\x20part");
    let sent = [http2::PREFACE_AND_SETTINGS, &head, &half].concat();
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
    world.advance(DELAY);
    assert!(world.finish(task));
}
