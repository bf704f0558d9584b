//! The server: what its connections have in common, and their common end.
//!
//! Owns the methods, the limits and the drain. It never listens: whoever accepts connections hands them
//! over one by one.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future::{FutureExt as _, or};
use smol::io::{AsyncRead, AsyncWrite};

use super::call::{self, Caller};
use super::connection;
use super::drain::Drain;
use super::gate::{Gate, Open};
use super::limits::Limits;
use super::router::Router;
use crate::clock::Clock;
use crate::net::peer::Peer;

/// A hundred years: as good as no bound, and within the range of every clock.
const LONGEST_DRAIN: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Serves gRPC on the connections that it is given. Clones share everything.
pub struct Server<C> {
    shared: Rc<Shared<C>>,
}

struct Shared<C> {
    router: Rc<Router>,
    limits: Limits,
    clock: C,
    executor: Rc<LocalExecutor<'static>>,
    drain: Drain,
}

impl<C: Clock> Server<C> {
    /// A server for the methods of `router`. Each call runs as a task on `executor`.
    #[must_use]
    pub fn new(
        router: Router,
        limits: Limits,
        clock: C,
        executor: Rc<LocalExecutor<'static>>,
    ) -> Self {
        Self {
            shared: Rc::new(Shared {
                router: Rc::new(router),
                limits,
                clock,
                executor,
                drain: Drain::default(),
            }),
        }
    }

    /// Serves one connection to its end, with all methods open to its peer: for tests and for streams
    /// whose other end is known. See [`serve_behind`](Self::serve_behind).
    pub async fn serve<IO>(&self, io: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.serve_behind(Rc::new(Open), io, peer).await;
    }

    /// Serves one connection to its end; `gate` is asked about each of its calls. It never panics: a
    /// panic ends this connection, or only one of its calls, and is logged.
    pub async fn serve_behind<IO>(&self, gate: Rc<dyn Gate>, io: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let shared = &*self.shared;
        let _entered = shared.drain.enter();
        let caller = Rc::new(Caller {
            peer: Rc::new(peer),
            gate,
            router: Rc::clone(&shared.router),
            limits: shared.limits,
            clock: shared.clock.clone(),
        });
        let run = connection::run(io, caller, &shared.executor, &shared.drain);
        if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
            call::report_panic("connection", &*panic);
        }
    }

    /// How many connections are being served.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.drain.open()
    }

    /// Tells all connections, and those still to come, to finish: no new calls, and what runs may end
    /// within `bound`. After it, connections are closed whatever runs on them, and dropped after
    /// [`Limits::close_timeout`]. Completes when none is left, or when that time has passed. Of several
    /// drains the earliest bound counts.
    pub async fn drain(&self, bound: Duration) {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let until = now.checked_add(bound.min(LONGEST_DRAIN)).unwrap_or(now);
        shared.drain.begin(until);
        let given_up = async {
            shared.drain.bound_passed(&shared.clock).await;
            shared.clock.sleep(shared.limits.close_timeout).await;
        };
        or(shared.drain.empty(), given_up).await;
    }
}

impl<C> Clone for Server<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<C> fmt::Debug for Server<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("router", &self.shared.router)
            .field("limits", &self.shared.limits)
            .field("connections", &self.shared.drain.open())
            .finish_non_exhaustive()
    }
}
