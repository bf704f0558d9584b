//! A socket that skips reads which would return `EAGAIN`.
//!
//! Owns the memory of whether the last read drained the socket. Without it a server makes one
//! futile `read(2)` per call. It never looks at the bytes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_lite::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "wrapper")]
use rustix::net::RecvFlags;

/// A stream socket that waits for readiness after a read that drained it.
#[derive(Debug)]
pub struct Socket<T> {
    io: Async<T>,
    /// The last read was short, hence took all data (epoll(7), question 9). If more has arrived
    /// since, the wait ends at once.
    drained: bool,
    /// The last poll returned `Pending`.
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

#[cfg(feature = "wrapper")]
impl<T: AsFd> Socket<T> {
    /// Waits for bytes and copies them; the next read gets them again. 0 at the end of the stream.
    pub(super) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = |socket: &T| {
            let (_, count) = rustix::net::recv(socket, &mut *buffer, RecvFlags::PEEK)?;
            Ok(count)
        };
        self.io.read_with(peek).await
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
            // This consumes the reactor's event, which would otherwise end the wait after the next
            // read.
            let ready = this.io.poll_readable(cx)?;
            // Waits for readiness once per wake-up, then reads regardless: async-io's thread may
            // treat a fresh event as stale, and does so all the time under load.
            this.waited = ready.is_pending() && !this.waited;
            if this.waited {
                return Poll::Pending;
            }
        }
        this.drained = true;
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.waited = read.is_pending();
        let read = ready!(read);
        // End of file, an error and a full buffer do not tell whether data is left.
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
