//! The byte stream under a server's connection, watched.
//!
//! Owns what can only be seen there: when the peer last sent and whether it reads, and how many frames it
//! sends that bring no call forward. It never changes a byte; once the peer has spent its allowance it reads
//! no more, nor twice in a turn of its task where there is nothing.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use smol::io::{AsyncRead, AsyncWrite};

use super::flood::{self, Allowance};
use super::frames::Frames;
use super::in_flight::InFlight;
use super::limits::Limits;
use crate::clock::Clock;

/// What was seen, for whoever drives the connection while h2 owns the stream.
#[derive(Debug)]
pub(super) struct Seen {
    greeted: Cell<bool>,
    read_at: Cell<Instant>,
    blocked_since: Cell<Option<Instant>>,
    flooded: Cell<bool>,
    /// Bytes read since the connection's task last let others run.
    in_a_row: Cell<usize>,
    /// A read found nothing since then, so that the task will be woken for more.
    dry: Cell<bool>,
}

impl Seen {
    /// Whether the client's preface and SETTINGS have come.
    pub(super) const fn greeted(&self) -> bool {
        self.greeted.get()
    }

    /// When bytes last came, or the connection began.
    pub(super) const fn read_at(&self) -> Instant {
        self.read_at.get()
    }

    /// Since when there has been something to write and no room for it.
    pub(super) const fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// Whether the peer has spent its allowance.
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
        self.dry.set(false);
    }
}

/// A byte stream that is watched.
#[derive(Debug)]
pub(super) struct Watched<IO, C> {
    io: IO,
    clock: C,
    frames: Frames,
    allowance: Allowance,
    calls: Rc<InFlight>,
    seen: Rc<Seen>,
}

impl<IO, C: Clock> Watched<IO, C> {
    /// Watches `io`; progress is what `calls` counts.
    pub(super) fn new(io: IO, limits: &Limits, clock: C, calls: Rc<InFlight>) -> Self {
        let now = clock.now();
        Self {
            io,
            clock,
            frames: Frames::default(),
            allowance: Allowance::new(now, limits.flood_burst, limits.flood_rate),
            calls,
            seen: Rc::new(Seen {
                greeted: Cell::new(false),
                read_at: Cell::new(now),
                blocked_since: Cell::new(None),
                flooded: Cell::new(false),
                in_a_row: Cell::new(0),
                dry: Cell::new(false),
            }),
        }
    }

    pub(super) fn seen(&self) -> Rc<Seen> {
        Rc::clone(&self.seen)
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut cost = 0;
        self.frames
            .feed(bytes, |kind| cost += u64::from(flood::cost(kind)));
        let now = self.clock.now();
        let in_a_row = self.seen.in_a_row.get().saturating_add(bytes.len());
        self.seen.in_a_row.set(in_a_row);
        self.seen.read_at.set(now);
        if !self.seen.greeted.get() {
            self.seen.greeted.set(self.frames.greeted());
        }
        if cost > 0 && !self.allowance.pay(now, self.calls.progress(), cost) {
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

impl<IO: AsyncRead + Unpin, C: Clock> AsyncRead for Watched<IO, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        // Whoever drives the connection looks at the flood after each poll of it. h2 reads once for each call that it
        // hands out, and most of those reads would be system calls for nothing.
        if this.seen.flooded.get() || this.seen.dry.get() {
            return Poll::Pending;
        }
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        this.seen.dry.set(read.is_pending());
        let read = ready!(read)?;
        this.read(buffer.get(..read).unwrap_or_default());
        Poll::Ready(Ok(read))
    }
}

impl<IO: AsyncWrite + Unpin, C: Clock> AsyncWrite for Watched<IO, C> {
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
