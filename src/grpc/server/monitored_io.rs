//! The byte stream under a server's connection, watched.
//!
//! Owns what can only be seen there: when the peer last sent and whether it reads, and how many frames it
//! sends that bring no call forward. It never changes a byte; once the peer has spent its bucket it reads
//! no more, nor twice in a turn of its task where there is nothing.

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

/// What was seen, for whoever drives the connection while h2 owns the stream.
#[derive(Debug)]
pub(super) struct IoStats {
    preface_received: Cell<bool>,
    read_at: Cell<Instant>,
    blocked_since: Cell<Option<Instant>>,
    flooded: Cell<bool>,
    /// Bytes read since the connection's task last let others run.
    in_a_row: Cell<usize>,
    /// A read found nothing since then, so that the task will be woken for more.
    read_exhausted: Cell<bool>,
}

impl IoStats {
    /// Whether the client's preface and SETTINGS have come.
    pub(super) const fn preface_received(&self) -> bool {
        self.preface_received.get()
    }

    /// When bytes last came, or the connection began.
    pub(super) const fn read_at(&self) -> Instant {
        self.read_at.get()
    }

    /// Since when there has been something to write and no room for it.
    pub(super) const fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// Whether the peer has spent its bucket.
    pub(super) const fn flooded(&self) -> bool {
        self.flooded.get()
    }

    /// Bytes that were read since [`others_ran`](Self::others_ran).
    pub(super) const fn in_a_row(&self) -> usize {
        self.in_a_row.get()
    }

    /// The connection's task lets others run: whatever it is woken for, there may be something to read then.
    pub(super) fn others_ran(&self) {
        self.in_a_row.set(0);
        self.read_exhausted.set(false);
    }
}

/// A byte stream that is watched.
#[derive(Debug)]
pub(super) struct MonitoredIo<IO, C> {
    io: IO,
    clock: C,
    frames: FrameScanner,
    bucket: TokenBucket,
    calls: Rc<InFlight>,
    seen: Rc<IoStats>,
}

impl<IO, C: Clock> MonitoredIo<IO, C> {
    /// Watches `io`; progress is what `calls` counts.
    pub(super) fn new(io: IO, limits: &Limits, clock: C, calls: Rc<InFlight>) -> Self {
        let now = clock.now();
        Self {
            io,
            clock,
            frames: FrameScanner::default(),
            bucket: TokenBucket::new(now, limits.flood_burst, limits.flood_rate),
            calls,
            seen: Rc::new(IoStats {
                preface_received: Cell::new(false),
                read_at: Cell::new(now),
                blocked_since: Cell::new(None),
                flooded: Cell::new(false),
                in_a_row: Cell::new(0),
                read_exhausted: Cell::new(false),
            }),
        }
    }

    pub(super) fn seen(&self) -> Rc<IoStats> {
        Rc::clone(&self.seen)
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut spent = 0;
        self.frames
            .feed(bytes, |kind| spent += u64::from(cost(kind)));
        let now = self.clock.now();
        let in_a_row = self.seen.in_a_row.get().saturating_add(bytes.len());
        self.seen.in_a_row.set(in_a_row);
        self.seen.read_at.set(now);
        if !self.seen.preface_received.get() {
            self.seen
                .preface_received
                .set(self.frames.preface_received());
        }
        if spent > 0 && !self.bucket.consume(now, self.calls.progress(), spent) {
            self.seen.flooded.set(true);
        }
    }

    fn wrote<T>(&self, result: Poll<T>) -> Poll<T> {
        let blocked = self.seen.blocked_since.get();
        match (&result, blocked) {
            (Poll::Pending, None) => self.seen.blocked_since.set(Some(self.clock.now())),
            (Poll::Ready(_), Some(_)) => self.seen.blocked_since.set(None),
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
        // Whoever drives the connection looks at the flood after each poll of it. h2 reads once for each call that it
        // hands out, and most of those reads would be system calls for nothing.
        if this.seen.flooded.get() || this.seen.read_exhausted.get() {
            return Poll::Pending;
        }
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.seen.read_exhausted.set(read.is_pending());
        let read = ready!(read)?;
        this.read(buffer.get(..read).unwrap_or_default());
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
        self.wrote(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}
