//! Clients over a socket file reach h2, with any `:authority`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use process_wrapper::net::stream::Stream;
use smol::io::{AsyncRead as _, AsyncWrite as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::support::http2::{END_HEADERS, END_STREAM, HEADERS, PREFACE_AND_SETTINGS, frame};

use super::fixture::{Fixture, within};

/// Adapts a stream to the traits of h2.
struct Facing(Stream);

impl AsyncRead for Facing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = ready!(Pin::new(&mut self.0).poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Facing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[test]
fn two_calls_with_a_path_as_authority_are_accepted() {
    let fixture = Fixture::new();
    let listener = fixture.bind().unwrap();
    // As grpc-python 1.85 writes it: the second call refers to the fields of the first by index.
    let mut first = b"@\x05:path\x06/a.B/C@\x0a:authority\x11tmp%2Fnt%2Fa.sock\x83\x86".to_vec();
    first.extend(b"@\x02te\x08trailers\x00\x03x-a\x0650%%zz");
    let mut sent = PREFACE_AND_SETTINGS.to_vec();
    let flags = END_HEADERS | END_STREAM;
    sent.extend(frame(HEADERS, flags, 1, &first));
    sent.extend(frame(
        HEADERS,
        flags,
        3,
        b"\xc0\xbf\x83\x86\xbe\x00\x03x-a\x0650%%zz",
    ));

    let mut client = UnixStream::connect(fixture.socket()).unwrap();
    client.write_all(&sent).unwrap();
    within(async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(Facing(stream)).await.unwrap();
        for _ in 0..2 {
            let (request, _respond) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri().path(), "/a.B/C");
            let authority = request.uri().authority().unwrap();
            assert_eq!(authority.as_str(), "localhost");
            assert_eq!(request.headers()["x-a"], "50%%zz");
        }
    });
    client.read_to_end(&mut Vec::new()).unwrap();
}
