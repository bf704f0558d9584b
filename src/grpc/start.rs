//! How calls start.
//!
//! Owns the choice between answering a call where it was accepted and giving it a task of its own. Most
//! calls are answered by their first poll, and a task for each would cost more than the call. It never
//! waits for one.

use std::future::Future;
use std::pin::Pin;

use smol::LocalExecutor;
use smol::future::poll_once;

/// Starts the calls that came together, one after the other.
pub(super) struct Starter<'a, F> {
    executor: &'a LocalExecutor<'static>,
    /// Where the next call is polled: each that is answered at once leaves it to the next.
    seat: Pin<Box<Option<F>>>,
}

impl<'a, F: Future<Output = ()> + 'static> Starter<'a, F> {
    pub(super) fn new(executor: &'a LocalExecutor<'static>) -> Self {
        let seat = Box::pin(None);
        Self { executor, seat }
    }

    /// Polls `call` once; if it has to wait, it gets a task.
    pub(super) async fn start(&mut self, call: F) {
        self.seat.set(Some(call));
        if poll_once(finish(&mut self.seat)).await.is_some() {
            return;
        }
        let mut seat = std::mem::replace(&mut self.seat, Box::pin(None));
        self.executor
            .spawn(async move { finish(&mut seat).await })
            .detach();
    }
}

/// Polls the call in `seat` to its end, and drops it there.
async fn finish<F: Future<Output = ()>>(seat: &mut Pin<Box<Option<F>>>) {
    if let Some(call) = seat.as_mut().as_pin_mut() {
        call.await;
    }
    seat.set(None);
}
