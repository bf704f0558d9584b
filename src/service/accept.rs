//! From listeners to the server.
//!
//! Owns the loop that accepts connections. It never consumes a byte of one.

use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future;

use crate::clock::Clock;
use crate::grpc::server::{AdmittedConnection, Server};
use crate::log::LineThrottle;
use crate::net::listen::Listener;
use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::service::admission::ListenerPolicy;

/// The backoff after a failed accept: the first, and the longest. When descriptors have run out, no
/// event tells that one is free again.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts connections for as long as the task lives. It retries forever: without its listener the
/// process would be out of control.
pub async fn accept<C: Clock>(
    listener: Listener,
    policy: Rc<ListenerPolicy<C>>,
    server: Server<C>,
    executor: Rc<LocalExecutor<'static>>,
    clock: C,
) {
    let shortages = LineThrottle::for_conditions();
    let mut backoff = FIRST_BACKOFF;
    loop {
        match listener.accept().await {
            // Dropping the stream closes it without a byte.
            Ok((_, peer)) if !policy.admit(&peer) => server.connection_refused(),
            Ok((stream, peer)) => {
                backoff = FIRST_BACKOFF;
                if server.is_full() {
                    policy.log_full(&peer);
                }
                if let Some(admitted) = server.admit(&peer) {
                    let policy = Rc::clone(&policy);
                    executor
                        .spawn(serve(policy, admitted, stream, peer))
                        .detach();
                }
            }
            Err(error) => {
                if let Some(held_back) = shortages.try_acquire(clock.now()) {
                    tracing::warn!(
                        %error,
                        held_back = held_back.count(),
                        "connections are not accepted for now"
                    );
                }
                clock.sleep(backoff).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
        // A full backlog must not starve the other tasks.
        future::yield_now().await;
    }
}

/// Serves one connection in a task of its own, so that a slow handshake delays no other.
async fn serve<C: Clock>(
    policy: Rc<ListenerPolicy<C>>,
    mut admitted: AdmittedConnection<C>,
    stream: Stream,
    peer: Peer,
) {
    // Boxed, so that this future reserves no space for it after its end.
    let handshake = Box::pin(policy.handshake(stream, peer));
    if let Some(Some((stream, peer))) = admitted.prepare(handshake).await {
        let auth = Rc::new(policy.connection_auth());
        admitted.serve(auth, stream.for_h2(), peer).await;
    }
}
