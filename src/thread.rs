//! Blocking work on a thread of its own.
//!
//! Owns the start of the thread. It never retries: `smol::unblock` spins while its first thread
//! cannot be started, and no other task runs meanwhile.

use std::io;

/// Runs the work on a new thread and completes with its result.
///
/// # Errors
/// EAGAIN of `pthread_create(3)`: the work has not run. Any other error: the work panicked.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = async_channel::bounded(1);
    let start = || {
        std::thread::Builder::new().spawn(move || {
            // The receiver may have been dropped.
            let _ = sender.try_send(work());
        })
    };
    // The wrapper handles signals on the main thread only.
    #[cfg(feature = "wrapper")]
    crate::process::signals::masked(start)?;
    #[cfg(not(feature = "wrapper"))]
    start()?;
    receiver.recv().await.map_err(io::Error::other)
}
