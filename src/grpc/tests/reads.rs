//! Reads of the server that find nothing.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};

use smol::io::{AsyncRead, AsyncWrite};

use super::world::{Pipe, pipe};
use super::*;

/// Counts the reads that find nothing: on a socket each would be a system call.
struct CountingIo {
    io: Pipe,
    empty_reads: Rc<Cell<usize>>,
}

impl AsyncRead for CountingIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_pending() {
            self.empty_reads.set(self.empty_reads.get() + 1);
        }
        read
    }
}

impl AsyncWrite for CountingIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

#[test]
fn a_batch_of_calls_costs_one_empty_read_and_not_one_each() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (ours, io) = pipe(256 * 1024);
    let empty_reads = Rc::new(Cell::new(0));
    let count = Rc::clone(&empty_reads);
    world.serve(CountingIo {
        io,
        empty_reads: count,
    });
    let limits = world.limits;
    let (channel, connection) =
        world.run(async move { handshake(ours, "localhost", &limits).await.unwrap() });
    let _driver = world.start(connection);
    let before = empty_reads.get();
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let channel = channel.clone();
            world
                .executor
                .spawn(async move { echo_once(&channel, "hello").await })
        })
        .collect();
    for call in calls {
        assert_eq!(world.finish(call).unwrap(), "hello");
    }
    let empty_reads = empty_reads.get() - before;
    assert!((1..8).contains(&empty_reads), "{empty_reads} empty reads");
}
