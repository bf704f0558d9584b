//! One connection over TCP, a socket file or TLS.
//!
//! Owns reading, writing and closing. It knows no frames; [`authority`](super::authority) rewrites
//! the `:authority` of local clients.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use futures_lite::io::{AsyncRead, AsyncWrite};

use super::authority::FilteredReads;
pub use super::socket::Socket;

/// A connected byte stream.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, with `TCP_NODELAY`.
    Tcp(Socket<TcpStream>),
    /// Over a socket file.
    Unix {
        /// The connection.
        socket: Socket<UnixStream>,
        /// Makes the requests of a client acceptable to h2. Boxed, because each future that takes a
        /// stream reserves its size.
        filter: Option<Box<FilteredReads>>,
    },
    /// From a client over TCP or TLS, for h2.
    Filtered {
        /// The connection.
        stream: Box<Stream>,
        /// Makes h2 refuse a `:path` with a fragment.
        filter: Box<FilteredReads>,
    },
    /// Over TLS on one of the above.
    #[cfg(feature = "tls")]
    Tls(Box<futures_rustls::TlsStream<Stream>>),
}

impl Stream {
    /// Wraps a TCP connection and turns Nagle's algorithm off: a call is one small packet each way.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub(super) fn tcp(socket: Async<TcpStream>) -> io::Result<Self> {
        socket.get_ref().set_nodelay(true)?;
        Ok(Self::Tcp(Socket::new(socket)))
    }

    /// Wraps a connection over a socket file to a server.
    pub(super) fn unix(socket: Async<UnixStream>) -> Self {
        let (socket, filter) = (Socket::new(socket), None);
        Self::Unix { socket, filter }
    }

    /// Wraps a connection over a socket file from a client.
    pub(super) fn unix_client(socket: Async<UnixStream>) -> Self {
        let (socket, filter) = (Socket::new(socket), Some(Box::default()));
        Self::Unix { socket, filter }
    }

    /// The stream of a client, as h2 is to read it.
    #[cfg(feature = "wrapper")]
    #[must_use]
    pub fn for_h2(self) -> Self {
        match self {
            Self::Unix { .. } | Self::Filtered { .. } => self,
            Self::Tcp(_) => self.filtered(),
            #[cfg(feature = "tls")]
            Self::Tls(_) => self.filtered(),
        }
    }

    #[cfg(feature = "wrapper")]
    fn filtered(self) -> Self {
        Self::Filtered {
            stream: Box::new(self),
            filter: Box::new(FilteredReads::keeping_authority()),
        }
    }

    /// Waits for the first bytes of a connection and copies them; the next read gets them again. 0
    /// at its end, and over TLS.
    ///
    /// # Errors
    ///
    /// Those of `recv(2)`.
    #[cfg(feature = "wrapper")]
    pub(super) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.peek(buffer).await,
            Self::Unix { socket, .. } => socket.peek(buffer).await,
            // After the first bytes.
            Self::Filtered { .. } => Ok(0),
            #[cfg(feature = "tls")]
            Self::Tls(_) => Ok(0),
        }
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        let done = match self {
            Self::Tcp(socket) => socket.get_ref().shutdown(Shutdown::Write),
            Self::Unix { socket, .. } => socket.get_ref().shutdown(Shutdown::Write),
            Self::Filtered { stream, .. } => return stream.shut_down_writing(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => return tls.get_ref().0.shut_down_writing(),
        };
        match done {
            // The peer has closed the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix { socket, .. } => socket.as_fd(),
            Self::Filtered { stream, .. } => stream.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.get_ref().0.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
            Self::Filtered { stream, filter } => filter.poll_read(&mut **stream, cx, buffer),
            Self::Unix {
                socket,
                filter: Some(filter),
            } => filter.poll_read(socket, cx, buffer),
            Self::Unix {
                socket,
                filter: None,
            } => Pin::new(socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
            Self::Unix { socket, .. } => Pin::new(socket).poll_write(cx, bytes),
            Self::Filtered { stream, .. } => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write_vectored(cx, slices),
            Self::Unix { socket, .. } => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Filtered { stream, .. } => {
                Pin::new(&mut **stream).poll_write_vectored(cx, slices)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
            Self::Unix { socket, .. } => Pin::new(socket).poll_flush(cx),
            Self::Filtered { stream, .. } => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    /// Half-closes the connection: the peer reads the end, and our reads continue.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(feature = "tls")]
        if let Self::Tls(tls) = &mut *self {
            // It sends `close_notify` (RFC 8446 section 6.1).
            return Pin::new(&mut **tls).poll_close(cx);
        }
        if let Self::Filtered { stream, .. } = &mut *self {
            return Pin::new(&mut **stream).poll_close(cx);
        }
        ready!(self.as_mut().poll_flush(cx))?;
        // `Async::poll_close` only flushes.
        Poll::Ready(self.shut_down_writing())
    }
}
