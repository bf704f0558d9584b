//! The calls of one connection, seen together.
//!
//! Owns their count, the progress that they make, and the one word that ends them all. It never ends a call
//! itself: each watches for that word.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

use event_listener::Event;

use crate::clock::Clock;

/// What the connection and its calls share.
#[derive(Debug)]
pub(super) struct InFlight {
    running: Cell<usize>,
    refused: Cell<usize>,
    idle_since: Cell<Instant>,
    progress: Cell<u64>,
    ended: Cell<bool>,
    end: Event,
    evicted: Cell<bool>,
    /// Who is to be told when no call is left, or the connection must go; None while nobody cares.
    waiting: RefCell<Option<Waker>>,
}

impl InFlight {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            running: Cell::new(0),
            refused: Cell::new(0),
            idle_since: Cell::new(now),
            progress: Cell::new(0),
            ended: Cell::new(false),
            end: Event::new(),
            evicted: Cell::new(false),
            waiting: RefCell::new(None),
        }
    }

    /// Counts a call in for as long as the guard lives.
    pub(super) fn enter<C: Clock>(self: &Rc<Self>, clock: C) -> Running<C> {
        self.running.set(self.running.get().saturating_add(1));
        Running {
            calls: Rc::clone(self),
            clock,
        }
    }

    /// How many calls run, those included that wait to be told that they were refused.
    pub(super) const fn running(&self) -> usize {
        self.running.get()
    }

    /// How many calls keep the connection its place: somebody who may not call cannot hold one by calling.
    pub(super) const fn admitted(&self) -> usize {
        self.running.get().saturating_sub(self.refused.get())
    }

    /// Counts a running call as refused for as long as the guard lives.
    pub(super) fn refuse(&self) -> RefusedCall<'_> {
        self.refused.set(self.refused.get().saturating_add(1));
        if self.admitted() == 0 {
            self.wake();
        }
        RefusedCall(self)
    }

    /// When the last call ended, or the connection began.
    pub(super) const fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    /// Messages that went through and calls that were answered, since the start.
    pub(super) const fn progress(&self) -> u64 {
        self.progress.get()
    }

    /// A message went through, or a call was answered.
    pub(super) fn made_progress(&self) {
        self.progress.set(self.progress.get().saturating_add(1));
    }

    /// Asks the connection to make place for another.
    pub(super) fn evict(&self) {
        self.evicted.set(true);
        self.wake();
    }

    /// Whether the connection was asked to make place.
    pub(super) const fn evicted(&self) -> bool {
        self.evicted.get()
    }

    /// Ends all calls, those to come as well.
    pub(super) fn end_all(&self) {
        self.ended.set(true);
        self.end.notify(usize::MAX);
    }

    /// Completes when the calls are to end.
    pub(super) async fn told_to_end(&self) {
        while !self.ended.get() {
            self.end.listen().await;
        }
    }

    /// Has `cx` woken when the last call has ended or the connection is asked to make place.
    pub(super) fn wake_at_end(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        match &mut *waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waiting = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waiting.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// A call that was refused and has not been told yet.
#[derive(Debug)]
pub(super) struct RefusedCall<'a>(&'a InFlight);

impl Drop for RefusedCall<'_> {
    fn drop(&mut self) {
        self.0.refused.set(self.0.refused.get().saturating_sub(1));
    }
}

/// A call that is counted.
#[derive(Debug)]
pub(super) struct Running<C: Clock> {
    calls: Rc<InFlight>,
    clock: C,
}

impl<C: Clock> Drop for Running<C> {
    fn drop(&mut self) {
        let calls = &self.calls;
        calls.running.set(calls.running.get().saturating_sub(1));
        if calls.running.get() == 0 {
            calls.idle_since.set(self.clock.now());
            calls.wake();
        }
    }
}
