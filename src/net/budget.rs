//! The byte stream under h2, and under webhooks.
//!
//! Owns the bridge from the futures I/O traits to tokio's, which h2 takes, and a budget of bytes to
//! read before the task yields: h2, hyper and rustls read for as long as reads succeed. It never
//! looks at the bytes.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::{AsyncRead, AsyncWrite};
use tokio::io::ReadBuf;

/// The minimum cost of a read in bytes: a single byte makes as much work as a frame, so bytes alone
/// would not bound the time.
const MIN_COST: usize = 512;

thread_local! {
    /// The buffer that reads fill before their bytes are copied to h2's. The futures traits take
    /// initialised memory only; initialising h2's own buffer would make all its pages resident on
    /// each connection.
    static SCRATCH: RefCell<[u8; 8 * 1024]> = const { RefCell::new([0; 8 * 1024]) };
}

/// A byte stream whose reads yield after a budget of bytes.
#[derive(Debug)]
pub struct Budgeted<IO> {
    io: IO,
    budget: usize,
    remaining: usize,
}

impl<IO> Budgeted<IO> {
    /// Wraps `io`. After `budget` bytes without a `Pending`, the next read wakes its task and
    /// returns `Pending` once.
    pub fn new(io: IO, budget: usize) -> Self {
        Self {
            io,
            budget,
            remaining: budget,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Budgeted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.remaining == 0 {
            this.remaining = this.budget;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Pending => {
                this.remaining = this.budget;
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(bytes)) => {
                this.remaining = this.remaining.saturating_sub(bytes.max(MIN_COST));
                Poll::Ready(Ok(bytes))
            }
        }
    }
}

impl<IO: AsyncRead + Unpin> tokio::io::AsyncRead for Budgeted<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let most = buffer.remaining().min(scratch.len());
            let read = ready!(AsyncRead::poll_read(self, cx, &mut scratch[..most]))?;
            buffer.put_slice(&scratch[..read]);
            Poll::Ready(Ok(()))
        })
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Budgeted<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

impl<IO: AsyncWrite + Unpin> tokio::io::AsyncWrite for Budgeted<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(self, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Reads succeed `ready` times with up to `size` bytes, then one is pending, and so on.
    struct Source {
        size: usize,
        ready: usize,
        remaining: usize,
    }

    impl AsyncRead for Source {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.remaining == 0 {
                self.remaining = self.ready;
                return Poll::Pending;
            }
            self.remaining -= 1;
            Poll::Ready(Ok(self.size.min(buffer.len())))
        }
    }

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Reads until `Pending`; returns how many reads succeeded and whether the task was woken.
    fn read_until_pending(stream: &mut Budgeted<Source>) -> (usize, bool) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut reads = 0;
        loop {
            let mut space = [0; 4096];
            let mut buffer = ReadBuf::new(&mut space);
            let reading = Pin::new(&mut *stream);
            match tokio::io::AsyncRead::poll_read(reading, &mut cx, &mut buffer) {
                Poll::Ready(result) => {
                    result.unwrap();
                    assert!(!buffer.filled().is_empty());
                    reads += 1;
                }
                Poll::Pending => return (reads, flag.0.load(Ordering::Relaxed)),
            }
        }
    }

    fn source(size: usize, ready: usize) -> Source {
        let remaining = ready;
        Source {
            size,
            ready,
            remaining,
        }
    }

    #[test]
    fn a_source_that_never_pends_is_interrupted_and_its_task_woken() {
        let mut stream = Budgeted::new(source(4096, usize::MAX), 64 * 1024);
        for _ in 0..3 {
            assert_eq!(read_until_pending(&mut stream), (16, true));
        }
    }

    #[test]
    fn single_bytes_cost_more_than_a_byte() {
        let mut stream = Budgeted::new(source(1, usize::MAX), 64 * 1024);
        assert_eq!(read_until_pending(&mut stream), (128, true));
    }

    #[test]
    fn a_source_that_pends_by_itself_is_never_interrupted() {
        let mut stream = Budgeted::new(source(4096, 15), 64 * 1024);
        for _ in 0..3 {
            assert_eq!(read_until_pending(&mut stream), (15, false));
        }
    }
}
