//! The server and the client against each other and against peers that misbehave.
//!
//! Each test runs on one thread, over streams in memory and on virtual time, until no task can make
//! progress. No test sleeps.

mod call_policy;
mod calls;
mod deadlines;
mod drain;
mod flood;
mod hostile;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the integration tests"
)]
pub(crate) mod http2;
mod memory;
mod peer;
mod raw;
mod reads;
mod timers;
mod waits;
mod world;

use std::cell::Cell;
use std::rc::Rc;

use world::World;

use super::client::{CallOptions, Channel, Connection, Requests, Responses, handshake};
use super::rules::limits::Limits;
use super::rules::status::{Code, Status};
use super::server::Server;
use super::server::exchange::Exchange;
use super::server::router::{Context, Router};
use crate::clock::Clock;
use crate::net::peer::Peer;

/// Whether a handler was dropped.
#[derive(Default, Clone)]
struct Dropped(Rc<Cell<bool>>);

impl Dropped {
    fn get(&self) -> bool {
        self.0.get()
    }
}

/// Belongs to a handler's future.
struct DropGuard(Dropped);

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.0.0.set(true);
    }
}

/// Adds `/t.T/Hang`, which never answers; returns whether its handler was dropped.
fn hang(router: &mut Router) -> Dropped {
    let dropped = Dropped::default();
    let view = dropped.clone();
    router.unary("/t.T/Hang", move |_, _: String| {
        let guard = DropGuard(dropped.clone());
        async move {
            let _guard = guard;
            std::future::pending::<Result<String, Status>>().await
        }
    });
    view
}

/// Adds `/t.T/Echo`, which answers with its request.
fn echo(router: &mut Router) {
    router.unary("/t.T/Echo", |_, text: String| async move { Ok(text) });
}

/// Adds `/t.T/Flood`, which streams without end; returns the number of messages that h2 has taken.
fn flood(router: &mut Router, size: usize) -> Rc<Cell<usize>> {
    let sent = Rc::new(Cell::new(0));
    let count = Rc::clone(&sent);
    router.streaming("/t.T/Flood", move |_, mut exchange| {
        let count = Rc::clone(&count);
        async move {
            let text = "x".repeat(size);
            loop {
                exchange.send(&text).await?;
                count.set(count.get() + 1);
            }
        }
    });
    sent
}

#[test]
fn the_client_is_send_over_a_send_stream() {
    fn send<T: Send>() {}
    send::<Channel>();
    send::<Connection<smol::net::TcpStream>>();
    send::<Requests>();
    send::<Responses>();

    fn is_send<T: Send>(_: impl FnOnce(Channel) -> T) {}
    is_send(|channel| async move { echo_once(&channel, "").await });
}

async fn echo_once(channel: &Channel, text: &str) -> Result<String, Status> {
    channel
        .unary("/t.T/Echo", &text.to_owned(), CallOptions::default())
        .await
}
