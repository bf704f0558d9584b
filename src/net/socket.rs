//! A socket that is not read in vain.
//!
//! Owns the memory of whether a socket had more to give. Without it each look at a socket is a system call: a
//! server looks once for each call that it takes, and nearly always finds nothing. It never looks at the bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

/// A stream socket that waits for its readiness where a read would find nothing.
#[derive(Debug)]
pub struct Socket<T> {
    io: Async<T>,
    /// The last read took all that had come (epoll(7), question 9: a short read says so). If more has come
    /// since, the wait is over at once.
    drained: bool,
    /// The last look ended with a wait for more.
    waited: bool,
}

impl<T> Socket<T> {
    pub(super) const fn new(io: Async<T>) -> Self {
        Self {
            io,
            drained: false,
            waited: false,
        }
    }

    /// The socket itself, for its options.
    pub fn get_ref(&self) -> &T {
        self.io.get_ref()
    }
}

impl<T: AsFd> AsFd for Socket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<T> AsyncRead for Socket<T>
where
    Async<T>: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.drained {
            // This takes what the reactor has to say, or else the wait after the next read would end with it.
            let ready = this.io.poll_readable(cx)?;
            // A second wait in a row is none. Whoever is woken reads, whatever the reactor thinks: while its own
            // thread waits for events, it takes what comes at once for something older, and under load that is
            // every time.
            this.waited = ready.is_pending() && !this.waited;
            if this.waited {
                return Poll::Pending;
            }
        }
        this.drained = true;
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.waited = read.is_pending();
        let read = ready!(read);
        // The end, an error and a full buffer say nothing about what is to come.
        this.drained = matches!(read, Ok(read) if read > 0 && read < buffer.len());
        Poll::Ready(read)
    }
}

impl<T> AsyncWrite for Socket<T>
where
    Async<T>: AsyncWrite + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
