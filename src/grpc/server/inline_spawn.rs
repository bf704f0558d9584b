//! How calls start.
//!
//! Owns the choice between answering a call where it was accepted and giving it a task of its own. Most
//! calls are answered by their first poll, and a task for each would cost more than the call. It never
//! waits for one.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::LocalExecutor;

/// Starts the calls that came together, one after the other.
pub(super) struct InlineSpawner<'a, F> {
    executor: &'a LocalExecutor<'static>,
    /// Where the next call is polled: each that is answered at once leaves it to the next.
    seat: Pin<Box<Option<F>>>,
}

impl<'a, F: Future<Output = ()> + 'static> InlineSpawner<'a, F> {
    pub(super) fn new(executor: &'a LocalExecutor<'static>) -> Self {
        let seat = Box::pin(None);
        Self { executor, seat }
    }

    /// Polls `call` once; if it has to wait, it gets a task. No future of ours holds the call, as it would
    /// then have room for one for as long as its connection lives.
    pub(super) fn start(&mut self, call: F, cx: &mut Context<'_>) {
        self.seat.set(Some(call));
        if poll_slot(&mut self.seat, cx).is_ready() {
            return;
        }
        let mut seat = mem::replace(&mut self.seat, Box::pin(None));
        self.executor
            .spawn(async move { poll_fn(|cx| poll_slot(&mut seat, cx)).await })
            .detach();
    }
}

/// Polls the call in `seat` to its end, and drops it there.
fn poll_slot<F: Future<Output = ()>>(
    seat: &mut Pin<Box<Option<F>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(call) = seat.as_mut().as_pin_mut() {
        ready!(call.poll(cx));
    }
    seat.set(None);
    Poll::Ready(())
}
