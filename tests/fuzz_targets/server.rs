//! The whole server: any frames in any order, over a stream in memory and on virtual time.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use process_wrapper::clock::Clock;
use process_wrapper::grpc::client::{CallOptions, Channel, handshake};
use process_wrapper::grpc::server::call_policy::{CallPolicy, CallRefusal, PendingCall};
use process_wrapper::grpc::{Code, Limits, Router, Server, Status};
use process_wrapper::lifecycle::{Config, DrainRequest, State};
use process_wrapper::net::peer::Peer;
use process_wrapper::pb::process_wrapper::v1::{GetStateRequest, GetStateResponse};
use process_wrapper::process::child::{Child, Program};
use process_wrapper::service;
use process_wrapper::signal::Signal;
use process_wrapper::supervisor::{Handle, Wrapped};
use process_wrapper::webhook::Dispatcher;
use smol::io::{AsyncRead, AsyncWrite};

use super::cursor::Cursor;
use super::frames;
use super::http2::PREFACE_AND_SETTINGS;
use world::{Pipe, World};

#[allow(dead_code, reason = "the unit tests use the rest of it")]
#[path = "../../src/grpc/tests/world.rs"]
mod world;

/// The most that a connection may make us hold, in bytes, with the world around it and the streams
/// in memory, which hold up to 256 KiB each way. It is stated in fuzz/README.md.
const MOST_MEMORY: u64 = 8 << 20;

/// No input has as much to do.
const MOST_STEPS: usize = 200_000;

/// The server neither panics nor hangs nor holds more than is stated, whatever it is sent; others
/// are answered meanwhile, and nothing is left of the connection once its peer has gone.
pub fn run(data: &[u8]) {
    let handle = supervised();
    let info = allocation_counter::measure(|| attack(data, &handle));
    assert!(
        info.bytes_max <= MOST_MEMORY,
        "{} bytes were held at once",
        info.bytes_max
    );
    retire(&handle);
}

fn attack(data: &[u8], handle: &Handle) {
    let mut cursor = Cursor::new(data);
    let mut router = service::router(handle);
    add_extremes(&mut router);
    let world = World::new(router);
    let mut peer = Some(open(&world));
    let mut last = Vec::new();
    if !cursor.bool() {
        last = PREFACE_AND_SETTINGS.to_vec();
        send(&world, peer.as_mut(), &last);
    }
    while !cursor.is_empty() {
        match cursor.byte() {
            0..200 => {
                last = frames::next(&mut cursor);
                send(&world, peer.as_mut(), &last);
            }
            200..220 => {
                // A flood of the same.
                for _ in 0..cursor.byte() {
                    send(&world, peer.as_mut(), &last);
                }
            }
            220..235 => drain(peer.as_mut()),
            235..245 => {
                settle(&world);
                world.advance(Duration::from_millis(cursor.u64(..20_000)));
            }
            245..250 => settle(&world),
            250..253 => peer = Some(open(&world)),
            253 => close(peer.as_mut()),
            _ => peer = None,
        }
    }
    settle(&world);
    answers(&world);
    drop(peer);
    settle(&world);
    assert_eq!(
        world.server.connections(),
        0,
        "who has gone leaves nothing behind"
    );
    answers(&world);
    world.advance(Duration::from_secs(3600));
    settle(&world);
    answers(&world);
}

/// A correct request on a new connection is answered, and without waiting for anything.
fn answers(world: &World) {
    let (channel, connection) = world.connect();
    let process = world.run(async move {
        let request = GetStateRequest::default();
        let answer: Result<GetStateResponse, Status> = channel
            .unary(frames::PATHS[0], &request, CallOptions::default())
            .await;
        answer.unwrap().process.unwrap()
    });
    assert!(process.pid > 0 && process.state > 0);
    drop(connection);
    settle(world);
}

/// Runs until nothing can go on, which has to come.
fn settle(world: &World) {
    let mut steps = 0;
    while world.executor.try_tick() {
        steps += 1;
        assert!(steps < MOST_STEPS, "the server does not come to rest");
    }
}

/// Methods that do what ours never would: no answer, an endless one, one after a while.
fn add_extremes(router: &mut Router) {
    router.unary("/test.Test/Echo", |_, text: String| async move { Ok(text) });
    router.unary("/test.Test/Hang", |_, _: String| async move {
        std::future::pending::<Result<String, Status>>().await
    });
    router.streaming("/test.Test/Flood", |_, mut exchange| async move {
        let text = "x".repeat(1000);
        loop {
            exchange.send(&text).await?;
        }
    });
}

/// Refuses one method with a delay, as wrong tokens are refused.
#[derive(Debug)]
struct Slow;

impl CallPolicy for Slow {
    fn admit(&self, call: &PendingCall<'_>) -> Result<(), CallRefusal> {
        if call.path != "/test.Test/Refused" {
            return Ok(());
        }
        Err(CallRefusal {
            delay: Duration::from_secs(1),
            closes: true,
            ..Status::new(Code::PermissionDenied, "no").into()
        })
    }
}

fn open(world: &World) -> Pipe {
    let (ours, theirs) = world::pipe(256 * 1024);
    // Without admission the connection is closed: its end is dropped here.
    let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
    if let Some(admitted) = world.server.admit(&peer) {
        let serve = admitted.serve(Rc::new(Slow), theirs, peer);
        world.executor.spawn(serve).detach();
    }
    ours
}

/// Sends what fits; a server that reads no more may be full.
fn send(world: &World, peer: Option<&mut Pipe>, mut bytes: &[u8]) {
    let Some(peer) = peer else { return };
    let mut context = TaskContext::from_waker(Waker::noop());
    while !bytes.is_empty() {
        match Pin::new(&mut *peer).poll_write(&mut context, bytes) {
            Poll::Ready(Ok(sent)) => bytes = &bytes[sent..],
            Poll::Ready(Err(_)) => return,
            Poll::Pending => {
                settle(world);
                if Pin::new(&mut *peer)
                    .poll_write(&mut context, &bytes[..0])
                    .is_pending()
                {
                    return;
                }
                match Pin::new(&mut *peer).poll_write(&mut context, bytes) {
                    Poll::Ready(Ok(sent)) => bytes = &bytes[sent..],
                    Poll::Ready(Err(_)) | Poll::Pending => return,
                }
            }
        }
    }
}

/// Reads whatever has come.
fn drain(peer: Option<&mut Pipe>) {
    let Some(peer) = peer else { return };
    let mut context = TaskContext::from_waker(Waker::noop());
    let mut buffer = [0; 4096];
    while let Poll::Ready(Ok(1..)) = Pin::new(&mut *peer).poll_read(&mut context, &mut buffer) {}
}

/// Says that nothing more will be sent.
fn close(peer: Option<&mut Pipe>) {
    let Some(peer) = peer else { return };
    let mut context = TaskContext::from_waker(Waker::noop());
    let _ = Pin::new(peer).poll_close(&mut context);
}

thread_local! {
    /// The supervised process, until a call asks it to stop.
    static SUPERVISED: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

fn supervised() -> Handle {
    SUPERVISED.with_borrow_mut(|kept| kept.get_or_insert_with(start).clone())
}

/// Starts a process that ends soon after this one, however that ends.
fn start() -> Handle {
    let program = Program {
        name: "sh".into(),
        arguments: vec![
            "-c".into(),
            "while kill -0 $PPID; do sleep 1; done 2>/dev/null".into(),
        ],
    };
    let config = Config {
        // A shell that starts a fuzzer in the background makes it ignore QUIT.
        graceful_signal: Signal::KILL,
        ..Config::default()
    };
    let child = Child::spawn(&program, &[]).unwrap();
    let executor = Rc::new(smol::LocalExecutor::new());
    let wrapped = Wrapped {
        child,
        program: "sh".to_owned(),
        after_exit: None,
        sentinel: None,
        webhooks: Dispatcher::default(),
    };
    Handle::new(config, wrapped, executor)
}

/// Drops a process that was asked to stop, so that every input finds a running one.
fn retire(handle: &Handle) {
    if handle.facts().state == State::Running {
        return;
    }
    SUPERVISED.take();
    // Each of these looks for the exit first, and so reaps it.
    while handle.state() != State::Gone {
        smol::block_on(handle.shut_down(DrainRequest::default(), None)).unwrap();
        std::thread::yield_now();
    }
}
