//! The server: what its connections share, and their common end.
//!
//! Owns the methods, the limits, the set of connections and the drain. It never listens: its caller
//! accepts connections and hands them over one by one.

mod call;
pub mod call_policy;
mod connection;
mod connection_table;
pub mod exchange;
mod in_flight;
mod memory;
mod monitored_io;
#[cfg(feature = "unstable-internals")]
mod page;
pub mod router;
mod timers;
pub mod waits;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future::{FutureExt as _, or};
use smol::io::{AsyncRead, AsyncWrite};

use crate::access::PeerGroup;
use crate::clock::Clock;
use crate::grpc::rules::limits::{KEPT_FOR_NEW_PEERS, Limits, MAX_EVICTING};
use crate::grpc::rules::status::Code;
use crate::grpc::server::call::ConnectionContext;
#[cfg(any(test, feature = "unstable-internals"))]
use crate::grpc::server::call_policy::AllowAll;
use crate::grpc::server::call_policy::CallPolicy;
use crate::grpc::server::connection_table::{ConnectionGuard, ConnectionTable};
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::memory::MemoryBudget;
use crate::grpc::server::router::Router;
use crate::grpc::server::timers::Timers;
use crate::log::LineThrottle;
use crate::net::peer::Peer;

/// A hundred years: in effect no limit, and within the range of every clock.
const LONGEST_DRAIN: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct FinishedCall {
    /// The method's path, for an admitted call of a known method: one of a fixed set.
    pub method: Option<&'static str>,
    /// Its status code.
    pub code: Code,
    /// From its headers to its trailers.
    pub duration: Duration,
}

/// Gets the events of a server. It must not block.
pub trait Observer: fmt::Debug {
    /// A call has ended.
    fn call_finished(&self, call: &FinishedCall);

    /// A connection was accepted and admitted.
    fn connection_opened(&self);

    /// A connection was closed at once: its peer may not call, or the server is full.
    fn connection_refused(&self);
}

/// Serves gRPC on connections. Clones share everything.
pub struct Server<C> {
    shared: Rc<ServerState<C>>,
}

struct ServerState<C> {
    router: Rc<Router>,
    limits: Rc<Limits>,
    clock: C,
    executor: Rc<LocalExecutor<'static>>,
    connections: Rc<ConnectionTable>,
    observer: Option<Rc<dyn Observer>>,
    memory: Rc<MemoryBudget>,
    /// Limits the log lines about peers that flood.
    flood_lines: Rc<LineThrottle>,
}

impl<C: Clock> Server<C> {
    /// A server of the methods of `router`. Calls that wait run as tasks on `executor`.
    #[must_use]
    pub fn new(
        router: Router,
        limits: Limits,
        clock: C,
        executor: Rc<LocalExecutor<'static>>,
        observer: Option<Rc<dyn Observer>>,
    ) -> Self {
        Self {
            shared: Rc::new(ServerState {
                router: Rc::new(router),
                limits: Rc::new(limits),
                clock,
                executor,
                connections: Rc::default(),
                observer,
                memory: Rc::new(MemoryBudget::new(limits.shared_memory)),
                flood_lines: Rc::new(LineThrottle::for_events()),
            }),
        }
    }

    /// Admits a connection that was just accepted. Its handshake timeout begins now, also for a TLS
    /// handshake before [`AdmittedConnection::serve`].
    ///
    /// At [`Limits::max_connections`] another connection is evicted for it. `None` if none can be:
    /// the caller closes the new one.
    #[must_use]
    pub fn admit(&self, peer: &Peer) -> Option<AdmittedConnection<C>> {
        let shared = &self.shared;
        let peers = peer.group();
        if self.is_full() && !self.make_room(peers) {
            self.connection_refused();
            return None;
        }
        if let Some(observer) = &shared.observer {
            observer.connection_opened();
        }
        let now = shared.clock.now();
        let in_flight = Rc::new(InFlight::new(now));
        let guard = shared.connections.insert(peers, Rc::clone(&in_flight));
        let timers = Timers::new(
            now,
            Rc::clone(&shared.limits),
            guard.serial(),
            shared.clock.clone(),
            Rc::clone(&in_flight),
            shared.connections.watch_drain(),
        );
        Some(AdmittedConnection {
            timers: Box::new(timers),
            in_flight,
            guard,
            shared: Rc::clone(shared),
        })
    }

    /// Whether a new connection displaces another, or is refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.connections.len() >= self.shared.limits.max_connections
    }

    /// Evicts a connection in favour of one of these peers.
    fn make_room(&self, peers: PeerGroup) -> bool {
        let ServerState {
            connections,
            limits,
            ..
        } = &*self.shared;
        // Evicted connections need a moment to close, so the size of a burst is limited.
        let evicting = connections.len().saturating_sub(limits.max_connections);
        if !limits.evict_calls {
            return evicting < MAX_EVICTING && connections.evict_idle();
        }
        let kept = match connections.len_of(peers) {
            0 => 0,
            _ => KEPT_FOR_NEW_PEERS,
        };
        evicting < MAX_EVICTING - kept && connections.evict_oldest()
    }

    /// Admits a connection and serves it to its end, with every method allowed: for tests and for
    /// streams with a trusted peer. Closes it if it is not admitted.
    #[cfg(any(test, feature = "unstable-internals"))]
    pub fn serve<IO>(&self, io: IO, peer: Peer) -> impl Future<Output = ()> + use<IO, C>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let admitted = self.admit(&peer);
        async move {
            if let Some(admitted) = admitted {
                admitted.serve(Rc::new(AllowAll), io, peer).await;
            }
        }
    }

    /// Reports a connection that was closed without [`admit`](Self::admit).
    pub fn connection_refused(&self) {
        if let Some(observer) = &self.shared.observer {
            observer.connection_refused();
        }
    }

    /// Bytes that calls use of the shared memory budget.
    #[cfg(test)]
    pub(in crate::grpc) fn memory_used(&self) -> usize {
        self.shared.memory.used()
    }

    /// Drains all connections, including later ones. They take no new calls, and calls in flight
    /// may end within `timeout`. Then calls are terminated, and after [`Limits::close_timeout`]
    /// connections are dropped. Completes when none is left, or at that time. Of several drains the
    /// earliest deadline counts.
    pub async fn drain(&self, timeout: Duration) {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let deadline = now.checked_add(timeout.min(LONGEST_DRAIN)).unwrap_or(now);
        shared.connections.begin_drain(deadline);
        let expired = async {
            shared
                .connections
                .drain_deadline_passed(&shared.clock)
                .await;
            shared.clock.sleep(shared.limits.close_timeout).await;
        };
        or(shared.connections.empty(), expired).await;
    }
}

impl<C> Server<C> {
    /// The number of connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.len()
    }
}

/// A connection that the server admitted, and counts until this is dropped.
pub struct AdmittedConnection<C: Clock> {
    /// Boxed: each future reserves space for its arguments.
    timers: Box<Timers<C>>,
    in_flight: Rc<InFlight>,
    guard: ConnectionGuard,
    shared: Rc<ServerState<C>>,
}

impl<C: Clock> AdmittedConnection<C> {
    /// Runs `work` before [`serve`](Self::serve), such as a TLS handshake. `None` if the handshake
    /// timeout passes, the server drains or evicts the connection, or `work` panics, which is
    /// logged.
    pub async fn prepare<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let timers = &mut self.timers;
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let done = poll_fn(|cx| match timers.poll_step(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        });
        match done.await? {
            Ok(done) => Some(done),
            Err(panic) => {
                call::log_panic("preparation", &*panic);
                None
            }
        }
    }

    /// Serves the connection to its end; `policy` decides about each of its calls. It never panics:
    /// a panic ends one of the calls or this connection, and is logged.
    pub async fn serve<IO>(self, policy: Rc<dyn CallPolicy>, io: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Self {
            timers,
            in_flight,
            guard,
            shared,
        } = self;
        let memory = Rc::clone(&shared.memory).connection(shared.limits.connection_memory);
        let context = Rc::new(ConnectionContext {
            peer: Rc::new(peer),
            policy,
            router: Rc::clone(&shared.router),
            limits: Rc::clone(&shared.limits),
            clock: shared.clock.clone(),
            in_flight,
            observer: shared.observer.clone(),
            memory: Rc::new(memory),
            flood_lines: Rc::clone(&shared.flood_lines),
        });
        let run = connection::run(io, context, &shared.executor, timers);
        if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
            call::log_panic("connection", &*panic);
        }
        drop(guard);
    }
}

impl<C: Clock> fmt::Debug for AdmittedConnection<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AdmittedConnection")
            .field("serial", &self.guard.serial())
            .finish_non_exhaustive()
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
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
