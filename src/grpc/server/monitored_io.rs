//! The byte stream under a server's connection, with statistics.
//!
//! Owns the facts that only the stream knows: when the peer last sent, whether it reads, and how
//! many frames without progress it sends. It never changes a byte. It stops to read from a peer
//! whose token bucket is empty, and after one read that found nothing until the task yields.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use smol::io::{AsyncRead, AsyncWrite};

use crate::clock::Clock;
use crate::grpc::rules::frames::FrameScanner;
use crate::grpc::rules::limits::Limits;
use crate::grpc::rules::token_bucket::{TokenBucket, cost};
use crate::grpc::server::in_flight::InFlight;

/// The statistics, for the driver of the connection while h2 owns the stream.
#[derive(Debug)]
pub(super) struct IoStats {
    preface_received: Cell<bool>,
    read_at: Cell<Instant>,
    blocked_since: Cell<Option<Instant>>,
    flooded: Cell<bool>,
    /// Bytes read since the connection's task last yielded.
    read_since_yield: Cell<usize>,
    /// A read since then found nothing, so the task will be woken for more.
    read_exhausted: Cell<bool>,
}

impl IoStats {
    /// Whether the client's preface and SETTINGS have come.
    pub(super) const fn preface_received(&self) -> bool {
        self.preface_received.get()
    }

    /// When the peer last sent a byte, or the connection began.
    pub(super) const fn read_at(&self) -> Instant {
        self.read_at.get()
    }

    /// Since when a write waits for room in the socket.
    pub(super) const fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// Whether the peer has emptied its token bucket.
    pub(super) const fn flooded(&self) -> bool {
        self.flooded.get()
    }

    /// Bytes read since [`task_yields`](Self::task_yields).
    pub(super) const fn read_since_yield(&self) -> usize {
        self.read_since_yield.get()
    }

    /// The connection's task yields: when it runs next, there may be more to read.
    pub(super) fn task_yields(&self) {
        self.read_since_yield.set(0);
        self.read_exhausted.set(false);
    }
}

/// A byte stream with statistics.
#[derive(Debug)]
pub(super) struct MonitoredIo<IO, C> {
    io: IO,
    clock: C,
    frames: FrameScanner,
    bucket: TokenBucket,
    in_flight: Rc<InFlight>,
    stats: Rc<IoStats>,
}

impl<IO, C: Clock> MonitoredIo<IO, C> {
    /// Wraps `io`. The progress of `in_flight` refills the token bucket.
    pub(super) fn new(io: IO, limits: &Limits, clock: C, in_flight: Rc<InFlight>) -> Self {
        let now = clock.now();
        Self {
            io,
            clock,
            frames: FrameScanner::default(),
            bucket: TokenBucket::new(now, limits.flood_burst, limits.flood_rate),
            in_flight,
            stats: Rc::new(IoStats {
                preface_received: Cell::new(false),
                read_at: Cell::new(now),
                blocked_since: Cell::new(None),
                flooded: Cell::new(false),
                read_since_yield: Cell::new(0),
                read_exhausted: Cell::new(false),
            }),
        }
    }

    pub(super) fn stats(&self) -> Rc<IoStats> {
        Rc::clone(&self.stats)
    }

    fn record_read(&mut self, bytes: &[u8]) {
        let mut tokens = 0;
        self.frames
            .feed(bytes, |frame| tokens += u64::from(cost(frame.kind)));
        let (stats, now) = (&*self.stats, self.clock.now());
        let read = stats.read_since_yield.get().saturating_add(bytes.len());
        stats.read_since_yield.set(read);
        stats.read_at.set(now);
        stats.preface_received.set(self.frames.preface_received());
        if tokens > 0 && !self.bucket.consume(now, self.in_flight.progress(), tokens) {
            stats.flooded.set(true);
        }
    }

    fn record_write<T>(&self, result: Poll<T>) -> Poll<T> {
        let blocked = self.stats.blocked_since.get();
        match (&result, blocked) {
            (Poll::Pending, None) => self.stats.blocked_since.set(Some(self.clock.now())),
            (Poll::Ready(_), Some(_)) => self.stats.blocked_since.set(None),
            (Poll::Pending, Some(_)) | (Poll::Ready(_), None) => {}
        }
        result
    }
}

impl<IO: AsyncRead + Unpin, C: Clock> AsyncRead for MonitoredIo<IO, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        // The driver checks `flooded` after each poll. h2 reads once for each call that it accepts,
        // and most of those reads would be system calls for nothing.
        if this.stats.flooded.get() || this.stats.read_exhausted.get() {
            return Poll::Pending;
        }
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.stats.read_exhausted.set(read.is_pending());
        let read = ready!(read)?;
        this.record_read(buffer.get(..read).unwrap_or_default());
        Poll::Ready(Ok(read))
    }
}

impl<IO: AsyncWrite + Unpin, C: Clock> AsyncWrite for MonitoredIo<IO, C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.record_write(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.record_write(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
