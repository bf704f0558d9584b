//! One connection on the server, from its preface to its last frame.
//!
//! Owns the h2 connection: one task polls it to the end and starts a task for each stream. Owns the
//! connection's own clock too: the deadline for the preface and the steps of a drain. It never waits
//! for a call.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection};
use smol::LocalExecutor;
use smol::future::or;
use smol::io::{AsyncRead, AsyncWrite};

use super::call::{self, Caller};
use super::drain::Drain;
use super::limits::Limits;
use crate::clock::Clock;
use crate::net::budget::Budgeted;

/// The preface and the header of a SETTINGS frame (RFC 9113, sections 3.4 and 4.1). h2 says when the
/// first has come but not the second; whoever has sent this many bytes is no silent socket.
const GREETING: usize = 24 + 9;

/// What the connection's clock can ask for next.
enum Cue {
    /// The time for the greeting is over.
    GreetingDue,
    /// The server drains: no new calls.
    Drain,
    /// The drain took too long: no more patience for calls.
    BoundPassed,
    /// The last frames took too long as well.
    CloseNow,
}

type NextCue<'a> = Pin<Box<dyn Future<Output = Cue> + 'a>>;

/// Serves a connection until it ends.
pub(super) async fn run<C, IO>(
    io: IO,
    caller: Rc<Caller<C>>,
    executor: &LocalExecutor<'static>,
    drain: &Drain,
) where
    C: Clock,
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let Caller { limits, clock, .. } = &*caller;
    let io = Budgeted::new(io, limits.read_budget);
    let received = io.received();
    let mut cue: NextCue<'_> = {
        let greeting = clock.sleep(limits.handshake_timeout);
        Box::pin(or(drain_begins(drain), async {
            greeting.await;
            Cue::GreetingDue
        }))
    };

    let handshake = builder(limits).handshake::<_, Bytes>(io);
    let greeted = or(async { Err(cue.as_mut().await) }, async {
        Ok(handshake.await)
    });
    let mut connection = match greeted.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return log_end(&caller, &error),
        // Nothing has begun, so nothing needs an end.
        Err(Cue::GreetingDue | Cue::Drain | Cue::BoundPassed | Cue::CloseNow) => return,
    };

    loop {
        // The cue first: a connection that always has a request must not hold it up.
        let next = or(async { Err(cue.as_mut().await) }, async {
            Ok(connection.accept().await)
        });
        match next.await {
            Ok(Some(Ok((request, respond)))) => {
                executor
                    .spawn(call::run(Rc::clone(&caller), request, respond))
                    .detach();
            }
            Ok(Some(Err(error))) => return log_end(&caller, &error),
            Ok(None) => return,
            Err(Cue::GreetingDue) if received.bytes() < GREETING => return,
            Err(Cue::GreetingDue) => cue = Box::pin(drain_begins(drain)),
            Err(Cue::Drain) => {
                connection.graceful_shutdown();
                cue = Box::pin(async {
                    drain.bound_passed(clock).await;
                    Cue::BoundPassed
                });
            }
            Err(Cue::BoundPassed) => {
                close(&mut connection);
                let close = clock.sleep(limits.close_timeout);
                cue = Box::pin(async {
                    close.await;
                    Cue::CloseNow
                });
            }
            Err(Cue::CloseNow) => return,
        }
    }
}

async fn drain_begins(drain: &Drain) -> Cue {
    drain.begun().await;
    Cue::Drain
}

/// Ends all streams and says goodbye. Polling goes on until that is written.
fn close<IO>(connection: &mut Connection<IO, Bytes>)
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    connection.abrupt_shutdown(Reason::NO_ERROR);
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_header_list)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.max_send_buffer)
        .max_pending_accept_reset_streams(limits.max_pending_accept_resets)
        .max_local_error_reset_streams(Some(limits.max_local_error_resets));
    builder
}

fn log_end<C>(caller: &Caller<C>, error: &h2::Error) {
    tracing::debug!(peer = %caller.peer, %error, "connection ended");
}
