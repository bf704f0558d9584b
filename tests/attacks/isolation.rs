//! Panics, where only a test's own router has any: one ends its own call or connection and nothing
//! else.

use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use process_wrapper::clock::MonotonicClock;
use process_wrapper::grpc::client::{CallOptions, Channel, handshake};
use process_wrapper::grpc::{Code, Limits, Router, Server, Status};
use process_wrapper::net::peer::Peer;
use process_wrapper::process::child::{self, Child, Program};
use process_wrapper::signal::Signal;
use smol::io::{AsyncRead, AsyncWrite};
use smol::{Async, LocalExecutor};

/// A stream that panics when it is read.
struct Trap;

impl AsyncRead for Trap {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        panic!("on purpose, in a connection");
    }
}

impl AsyncWrite for Trap {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn router() -> Router {
    let mut router = Router::new();
    router.unary("/t.T/Echo", |_, text: String| async move { Ok(text) });
    router.unary("/t.T/Panic", |_, (): ()| async {
        if true {
            panic!("on purpose, in a call");
        }
        Ok(())
    });
    router
}

async fn echo(channel: &Channel, text: &str) -> Result<String, Status> {
    let options = CallOptions::default();
    channel.unary("/t.T/Echo", &text.to_owned(), options).await
}

async fn scenario(executor: &Rc<LocalExecutor<'static>>) {
    executor.spawn(child::driver()).detach();
    smol::future::yield_now().await;
    let program = Program {
        name: "sleep".into(),
        arguments: vec!["600".into()],
    };
    let mut child = Child::spawn(&program, &[]).unwrap();

    let limits = Limits::default();
    let server = Server::new(router(), limits, MonotonicClock, Rc::clone(executor), None);
    let anybody = || Peer::Tcp(([127, 0, 0, 1], 1).into());
    let connect = || async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = Async::new(theirs).unwrap();
        executor.spawn(server.serve(theirs, anybody())).detach();
        let ours = Async::new(ours).unwrap();
        let (channel, connection) = handshake(ours, "localhost", &limits).await.unwrap();
        executor.spawn(connection).detach();
        channel
    };
    let (channel, other) = (connect().await, connect().await);

    // In a call: it fails, its neighbours on the connection do not.
    let panicking = channel.unary::<(), ()>("/t.T/Panic", &(), CallOptions::default());
    assert_eq!(panicking.await.unwrap_err().code, Code::Internal);
    assert_eq!(
        echo(&channel, "same connection").await.unwrap(),
        "same connection"
    );

    // A panic in a connection ends it and frees its entry in the table.
    let before = server.connections();
    executor.spawn(server.serve(Trap, anybody())).await;
    assert_eq!(server.connections(), before);
    assert_eq!(echo(&channel, "after").await.unwrap(), "after");
    assert_eq!(
        echo(&other, "other connection").await.unwrap(),
        "other connection"
    );

    // And the process knows nothing of all that.
    assert_eq!(child.try_exit().unwrap(), None);
    child.signal(Signal::KILL).unwrap();
    child.exit().await.unwrap();
}

#[test]
fn a_panic_ends_only_its_call_or_connection() {
    let executor = Rc::new(LocalExecutor::new());
    smol::block_on(executor.run(scenario(&executor)));
}
