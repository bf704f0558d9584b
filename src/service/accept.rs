//! From listeners to the server.
//!
//! Owns the loop that takes connections. It never reads a byte of one.

use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future;

use crate::clock::Clock;
use crate::grpc::server::{Admitted, Server};
use crate::net::listen::Listener;
use crate::net::peer::Peer;
use crate::net::stream::Stream;
use crate::service::admission::ListenerPolicy;

/// How long to wait before accepting again after it failed, for want of descriptors say: the first time,
/// and at most. Descriptors come back when connections end, so there is no event to wait for.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes connections for as long as the task lives. It never gives up: a listener that is gone would leave
/// the process without control.
pub async fn accept<C: Clock>(
    listener: Listener,
    door: Rc<ListenerPolicy<C>>,
    server: Server<C>,
    executor: Rc<LocalExecutor<'static>>,
    clock: C,
) {
    let mut pause = PAUSE;
    loop {
        match listener.accept().await {
            // Dropped, and so closed, without a byte.
            Ok((_, peer)) if !door.admit(&peer) => server.refused(),
            Ok((stream, peer)) => {
                pause = PAUSE;
                // Without a place the connection is closed, by being dropped.
                if let Some(admitted) = server.admit() {
                    let door = Rc::clone(&door);
                    executor
                        .spawn(welcome(door, admitted, stream, peer))
                        .detach();
                }
            }
            Err(error) => {
                // Once for each shortage, not for each try.
                if pause == PAUSE {
                    tracing::warn!(%error, "connections are not accepted for now");
                }
                clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        // Connections that are already waiting must not keep the other tasks from running.
        future::yield_now().await;
    }
}

/// One connection in a task of its own, so that no handshake holds up others.
async fn welcome<C: Clock>(
    door: Rc<ListenerPolicy<C>>,
    mut admitted: Admitted<C>,
    stream: Stream,
    peer: Peer,
) {
    // Boxed, so that no room is kept for the handshake once it is over.
    let handshake = Box::pin(door.secure(stream, peer));
    if let Some(Some((stream, peer))) = admitted.prepare(handshake).await {
        admitted.serve(Rc::new(door.visit()), stream, peer).await;
    }
}
