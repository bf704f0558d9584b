//! The byte stream of a client, whose writes never hide what the server has sent.
//!
//! Owns the order of errors: a server that answers and closes makes the next write fail, and h2
//! gives up at that, before it reads the answer. It never looks at the bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::io::{AsyncRead, AsyncWrite};

/// After a write that found the connection lost, reads return what has arrived, then the loss.
#[derive(Debug)]
pub(super) struct ReadFirst<IO> {
    io: IO,
    lost: Option<io::ErrorKind>,
}

impl<IO> ReadFirst<IO> {
    pub(super) const fn new(io: IO) -> Self {
        Self { io, lost: None }
    }

    /// The result of a write of `count` bytes. Once the connection is lost, writes have no effect.
    fn written(
        &mut self,
        cx: &Context<'_>,
        count: usize,
        result: io::Result<usize>,
    ) -> io::Result<usize> {
        match result {
            Err(error) if is_loss(error.kind()) => {
                self.lost = Some(error.kind());
                // The task may have read before it wrote.
                cx.waker().wake_by_ref();
                Ok(count)
            }
            result => result,
        }
    }
}

fn is_loss(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadFirst<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        match (self.lost, read) {
            // What the server sent has arrived before the loss.
            (Some(lost), Poll::Pending | Poll::Ready(Ok(0))) => Poll::Ready(Err(lost.into())),
            (_, read) => read,
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadFirst<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.lost.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        Poll::Ready(self.written(cx, bytes.len(), result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = slices.iter().map(|slice| slice.len()).sum();
        if self.lost.is_some() {
            return Poll::Ready(Ok(count));
        }
        let result = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices));
        Poll::Ready(self.written(cx, count, result))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lost.is_some() {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.written(cx, 0, result.map(|()| 0)).map(|_| ()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
