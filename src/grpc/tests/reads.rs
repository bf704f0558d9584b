//! How often the server looks for more where there is nothing.

use std::io;
use std::pin::Pin;
use std::task::{self, Poll};

use smol::io::{AsyncRead, AsyncWrite};

use super::world::{Pipe, pipe};
use super::*;

/// A stream that counts the reads that find nothing: over a socket each would be a system call.
struct Counted {
    io: Pipe,
    in_vain: Rc<Cell<usize>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_pending() {
            self.in_vain.set(self.in_vain.get() + 1);
        }
        read
    }
}

impl AsyncWrite for Counted {
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
fn calls_that_come_together_cost_one_read_in_vain_and_not_one_each() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (ours, io) = pipe(256 * 1024);
    let in_vain = Rc::new(Cell::new(0));
    let count = Rc::clone(&in_vain);
    world.serve(Counted { io, in_vain: count });
    let limits = world.limits;
    let (channel, connection) =
        world.run(async move { handshake(ours, "localhost", &limits).await.unwrap() });
    let _driver = world.start(connection);
    let before = in_vain.get();
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
    let in_vain = in_vain.get() - before;
    assert!((1..8).contains(&in_vain), "{in_vain} reads in vain");
}
