//! Peers that take more than their limits.

use std::io;
use std::pin::Pin;
use std::task::Poll;

use smol::io::{AsyncRead, AsyncWrite};

use super::*;

/// Sends the preface, then PINGs without end, and discards what it reads.
struct Pinger {
    sent: Rc<Cell<usize>>,
}

/// Bytes after which the flood ends, so that a test fails rather than hangs.
const FLOOD: usize = 2 << 20;

impl AsyncRead for Pinger {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.sent.get();
        if sent > FLOOD {
            return Poll::Pending;
        }
        let (preface, ping) = (http2::PREFACE_AND_SETTINGS, http2::ping());
        let bytes = preface.iter().chain(ping.iter().cycle()).skip(sent);
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.sent.set(sent + buffer.len());
        Poll::Ready(Ok(buffer.len()))
    }
}

impl AsyncWrite for Pinger {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_peer_that_never_stops_sending_does_not_starve_other_tasks() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    let sent = Rc::new(Cell::new(0));
    let flood = Rc::clone(&sent);
    world.serve(Pinger { sent: flood });
    let call = world
        .executor
        .spawn(async move { echo_once(&channel, "hello").await });
    while !call.is_finished() {
        assert!(world.executor.try_tick(), "the call waits forever");
    }
    assert_eq!(smol::block_on(call).unwrap(), "hello");
    assert!(sent.get() < FLOOD, "the whole flood came first");
}

#[test]
fn calls_beyond_the_concurrency_limit_wait() {
    let mut router = Router::new();
    echo(&mut router);
    let limits = Limits {
        max_concurrent_streams: 2,
        ..Limits::default()
    };
    let world = World::with_limits(router, limits);
    let (channel, _driver) = world.connect();
    let calls: Vec<_> = (0..20)
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
}

#[test]
fn headers_over_the_limit_are_refused() {
    let mut router = Router::new();
    echo(&mut router);
    let world = World::new(router);
    let (channel, _driver) = world.connect();
    // h2 itself answers those beyond the announced limit, with HTTP status 431.
    for (kib, code) in [
        (15, None),
        (16, Some(Code::ResourceExhausted)),
        (31, Some(Code::ResourceExhausted)),
        (33, Some(Code::Unknown)),
    ] {
        let mut options = CallOptions::default();
        let value = "x".repeat(kib * 1024);
        options.metadata.insert("x-long", value.parse().unwrap());
        let channel = channel.clone();
        let text = String::new();
        let answer: Result<String, Status> =
            world.run(async move { channel.unary("/t.T/Echo", &text, options).await });
        assert_eq!(
            answer.as_ref().err().map(|status| status.code),
            code,
            "{kib}: {answer:?}"
        );
        let message = answer.err().map(|status| status.message);
        let is_told = message.is_some_and(|text| text.contains("the limit is 16384"));
        assert_eq!(is_told, code == Some(Code::ResourceExhausted));
    }
}
