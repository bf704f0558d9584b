//! Peers that speak another protocol than the listener.
//!
//! Owns their recognition before a server reads a byte, the log line, and the short answer. It
//! never keeps a peer that speaks the right protocol, or none that it knows: the server judges it.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use futures_lite::future;
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::clock::Clock;
use crate::log::LineThrottle;
use crate::net::first_bytes::{ENOUGH, Served, advice, answer, classify};
use crate::net::stream::Stream;

/// How long a peer may send on after the answer. Bytes that nothing reads would turn the end of the
/// connection into a reset, and the peer would lose the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read within that time.
const LINGER_BYTES: u64 = 64 * 1024;

/// Waits for the first bytes of a peer. Returns whether the listener may serve it; otherwise the
/// peer has its answer, and the connection is to be closed. `lines` limits the listener's log.
///
/// # Errors
///
/// Those of `recv(2)`.
pub async fn check<C: Clock>(
    stream: &mut Stream,
    served: Served,
    peer: &impl Display,
    listener: &impl Display,
    lines: &LineThrottle,
    clock: &C,
) -> io::Result<bool> {
    let mut first = vec![0; ENOUGH];
    let count = stream.peek(&mut first).await?;
    let found = classify(first.get(..count).unwrap_or_default());
    let Some((found, advice)) = found.and_then(|found| Some((found, advice(served, found)?)))
    else {
        return Ok(true);
    };
    drop(first);
    if let Some(held_back) = lines.try_acquire(clock.now()) {
        tracing::info!(
            %peer, %listener, came = %found, held_back = held_back.count(), advice,
            "wrong protocol"
        );
    }
    let turn_away = async {
        // A peer that has gone needs no answer.
        let _ = turn_away(stream, &answer(served, found, advice)).await;
    };
    future::or(turn_away, clock.sleep(LINGER)).await;
    Ok(false)
}

async fn turn_away(stream: &mut Stream, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.close().await?;
    let mut rest = stream.take(LINGER_BYTES);
    let mut unread = [0; 1024];
    while rest.read(&mut unread).await? > 0 {}
    Ok(())
}
