//! Our gRPC layer with a service for tests, on a thread of this process.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use process_wrapper::clock::MonotonicClock;
use process_wrapper::grpc::{Limits, Server};
use process_wrapper::net::listen::{self, SocketOptions};
use smol::LocalExecutor;

use crate::interop;

/// Serves on a port of its own for as long as it lives.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: smol::channel::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let (stop, stopped) = smol::channel::bounded(1);
        let (told, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let executor = Rc::new(LocalExecutor::new());
            smol::block_on(executor.run(serve(&executor, told, stopped)));
        });
        Self {
            address: address.recv().unwrap(),
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

async fn serve(
    executor: &Rc<LocalExecutor<'static>>,
    told: std::sync::mpsc::Sender<SocketAddr>,
    stopped: smol::channel::Receiver<()>,
) {
    // The suites send what our own API never needs: large_unary answers with 314,159 bytes.
    let limits = Limits {
        max_message: 1024 * 1024,
        ..Limits::default()
    };
    let server = Server::new(
        interop::router(),
        limits,
        MonotonicClock,
        Rc::clone(executor),
        None,
    );
    let any = "tcp://127.0.0.1:0".parse().unwrap();
    let mut listeners = listen::bind(&any, &SocketOptions::default()).await.unwrap();
    let listener = listeners.pop().unwrap();
    let address = listener.local_address().to_string();
    told.send(address.trim_start_matches("tcp://").parse().unwrap())
        .unwrap();
    let accepting = {
        let (server, spawner) = (server.clone(), Rc::clone(executor));
        executor.spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                let server = server.clone();
                spawner
                    .spawn(async move { server.serve(stream, peer).await })
                    .detach();
            }
        })
    };
    let _ = stopped.recv().await;
    accepting.cancel().await;
    server.drain(Duration::ZERO).await;
}
