//! Work that may block, on a thread of its own.
//!
//! Owns the start of the thread. It never waits for room: the pool of `blocking`, behind `smol::unblock`, asks again
//! and again for its first thread where none can be started, and nothing else runs meanwhile.

use std::io;

/// Does the work elsewhere and completes with what came of it.
///
/// # Errors
/// EAGAIN of `pthread_create(3)`: nothing has run. Or the work has panicked.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = smol::channel::bounded(1);
    std::thread::Builder::new().spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.try_send(work());
    })?;
    receiver.recv().await.map_err(io::Error::other)
}
