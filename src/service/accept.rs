//! From listeners to the server.
//!
//! Owns the loop that takes connections. It never reads a byte of one.

use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future;

use crate::clock::Clock;
use crate::grpc::server::Server;
use crate::net::listen::Listener;
use crate::service::door::Door;

/// How long to wait before accepting again after it failed, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections for as long as the task lives. It never gives up: a listener that is gone would leave
/// the process without control.
pub async fn accept<C: Clock + Debug>(
    listener: Listener,
    door: Rc<Door<C>>,
    server: Server<C>,
    executor: Rc<LocalExecutor<'static>>,
    clock: C,
) {
    loop {
        match listener.accept().await {
            // Dropped, and so closed, without a byte.
            Ok((_, peer)) if !door.lets_in(&peer) => {}
            Ok((stream, peer)) => {
                let (server, door) = (server.clone(), Rc::clone(&door));
                executor
                    .spawn(async move { server.serve_behind(door, stream, peer).await })
                    .detach();
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                clock.sleep(PAUSE).await;
            }
        }
        // Connections that are already waiting must not keep the other tasks from running.
        future::yield_now().await;
    }
}
