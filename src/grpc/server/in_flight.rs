//! The calls in flight on one connection.
//!
//! Owns their number, their progress, and the signal that terminates them. It never ends a call
//! itself: each call watches for that signal.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

use event_listener::Event;

use crate::clock::Clock;
use crate::grpc::rules::lifetime::Eviction;

/// The state that a connection shares with its calls.
#[derive(Debug)]
pub(super) struct InFlight {
    running: Cell<usize>,
    refused: Cell<usize>,
    waiting: Cell<usize>,
    idle_since: Cell<Instant>,
    progress: Cell<u64>,
    terminated: Cell<bool>,
    terminate: Event,
    eviction: Cell<Eviction>,
    distrusted: Cell<bool>,
    /// The connection's task: woken when no call is left, or for the eviction.
    waker: RefCell<Option<Waker>>,
}

impl InFlight {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            running: Cell::new(0),
            refused: Cell::new(0),
            waiting: Cell::new(0),
            idle_since: Cell::new(now),
            progress: Cell::new(0),
            terminated: Cell::new(false),
            terminate: Event::new(),
            eviction: Cell::new(Eviction::None),
            distrusted: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// Counts a call for as long as the guard lives.
    pub(super) fn start_call<C: Clock>(self: &Rc<Self>, clock: C) -> CallGuard<C> {
        self.running.set(self.running.get().saturating_add(1));
        CallGuard {
            in_flight: Rc::clone(self),
            clock,
        }
    }

    /// The number of calls, including refused ones whose answer is delayed.
    pub(super) const fn running(&self) -> usize {
        self.running.get()
    }

    /// The number of calls without refused ones: an unauthorized peer cannot keep its connection by
    /// calling.
    pub(super) const fn admitted(&self) -> usize {
        self.running.get().saturating_sub(self.refused.get())
    }

    /// Counts a running call as refused for as long as the guard lives.
    pub(super) fn start_refusal(&self) -> RefusalGuard<'_> {
        self.refused.set(self.refused.get().saturating_add(1));
        if self.admitted() == 0 {
            self.wake();
        }
        RefusalGuard(self)
    }

    /// Counts a call that waits; false, without effect, if `max` do.
    pub(super) fn start_wait(&self, max: usize) -> bool {
        let waiting = self.waiting.get();
        if waiting < max {
            self.waiting.set(waiting.saturating_add(1));
        }
        waiting < max
    }

    /// A call that was counted waits no more.
    pub(super) fn end_wait(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }

    /// When the last call ended, or the connection began.
    pub(super) const fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    /// The number of messages and completed calls since the start.
    pub(super) const fn progress(&self) -> u64 {
        self.progress.get()
    }

    /// Counts a message or a completed call.
    pub(super) fn add_progress(&self) {
        self.progress.set(self.progress.get().saturating_add(1));
    }

    /// Asks the connection to close in favour of a new one.
    pub(super) fn evict(&self, eviction: Eviction) {
        self.eviction.set(eviction);
        self.wake();
    }

    pub(super) const fn eviction(&self) -> Eviction {
        self.eviction.get()
    }

    /// Asks the connection to take no more calls: its peer guesses tokens.
    pub(super) fn distrust(&self) {
        self.distrusted.set(true);
        self.wake();
    }

    pub(super) const fn distrusted(&self) -> bool {
        self.distrusted.get()
    }

    /// Terminates all calls, including later ones.
    pub(super) fn terminate_all(&self) {
        self.terminated.set(true);
        self.terminate.notify(usize::MAX);
    }

    /// Completes when the calls are terminated.
    pub(super) async fn terminated(&self) {
        while !self.terminated.get() {
            self.terminate.listen().await;
        }
    }

    /// Wakes `cx` when the last call has ended or the connection is evicted.
    pub(super) fn register_waker(&self, cx: &Context<'_>) {
        let mut registered = self.waker.borrow_mut();
        match &mut *registered {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *registered = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Counts a refused call until its answer is sent.
#[derive(Debug)]
pub(super) struct RefusalGuard<'a>(&'a InFlight);

impl Drop for RefusalGuard<'_> {
    fn drop(&mut self) {
        self.0.refused.set(self.0.refused.get().saturating_sub(1));
    }
}

/// Counts a call.
#[derive(Debug)]
pub(super) struct CallGuard<C: Clock> {
    in_flight: Rc<InFlight>,
    clock: C,
}

impl<C: Clock> Drop for CallGuard<C> {
    fn drop(&mut self) {
        let in_flight = &self.in_flight;
        let running = in_flight.running.get().saturating_sub(1);
        in_flight.running.set(running);
        if running == 0 {
            in_flight.idle_since.set(self.clock.now());
            in_flight.wake();
        }
    }
}
