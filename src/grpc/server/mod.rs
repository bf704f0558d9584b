//! The server: what its connections have in common, and their common end.
//!
//! Owns the methods, the limits, the places and the drain. It never listens: whoever accepts connections
//! hands them over one by one.

mod call;
pub mod call_policy;
mod connection;
mod connection_table;
mod drain;
pub mod exchange;
mod in_flight;
mod inline_spawn;
mod memory;
mod monitored_io;
pub mod observe;
mod page;
pub mod router;

use std::cell::RefCell;
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

use crate::clock::Clock;
use crate::grpc::rules::limits::{Limits, MAX_LEAVING};
use crate::grpc::server::call::ConnectionContext;
use crate::grpc::server::call_policy::{AllowAll, CallPolicy};
use crate::grpc::server::connection::Timers;
use crate::grpc::server::connection_table::ConnectionTable;
use crate::grpc::server::drain::{Drain, Entered};
use crate::grpc::server::in_flight::InFlight;
use crate::grpc::server::memory::{Account, Memory};
use crate::grpc::server::observe::Observer;
use crate::grpc::server::router::Router;
use crate::net::peer::Peer;

/// A hundred years: as good as no bound, and within the range of every clock.
const LONGEST_DRAIN: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Serves gRPC on the connections that it is given. Clones share everything.
pub struct Server<C> {
    shared: Rc<ServerState<C>>,
}

struct ServerState<C> {
    router: Rc<Router>,
    limits: Rc<Limits>,
    clock: C,
    executor: Rc<LocalExecutor<'static>>,
    drain: Rc<Drain>,
    places: RefCell<ConnectionTable>,
    observer: Option<Rc<dyn Observer>>,
    memory: Rc<Memory>,
}

impl<C: Clock> Server<C> {
    /// A server for the methods of `router`. Each call runs as a task on `executor`; `observer`, if there is
    /// one, is told what happens.
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
                drain: Rc::default(),
                places: RefCell::default(),
                observer,
                memory: Rc::new(Memory::new(limits.shared_memory)),
            }),
        }
    }

    /// Takes a place for a connection that was just accepted. Its time to greet begins now, whatever
    /// comes before [`Admitted::serve`], a TLS handshake for one.
    ///
    /// Where all of [`Limits::max_connections`] are taken, one without calls is told to go: first those that
    /// never made any, of them the longest idle. `None` if there is none: the new one has to be closed.
    #[must_use]
    pub fn admit(&self) -> Option<Admitted<C>> {
        let shared = &self.shared;
        let beyond = (shared.drain.open() + 1).saturating_sub(shared.limits.max_connections);
        // Those who were told to go need a moment; a burst of newcomers has to wait for them.
        if beyond > MAX_LEAVING || (beyond > 0 && !shared.places.borrow().evict()) {
            self.refused();
            return None;
        }
        if let Some(observer) = &shared.observer {
            observer.connection_opened();
        }
        let now = shared.clock.now();
        let calls = Rc::new(InFlight::new(now));
        let serial = shared.places.borrow_mut().take(Rc::clone(&calls));
        let timers = Timers::new(
            now,
            Rc::clone(&shared.limits),
            serial,
            shared.clock.clone(),
            Rc::clone(&calls),
            shared.drain.watch(),
        );
        Some(Admitted {
            timers: Box::new(timers),
            place: TableEntry {
                serial,
                calls,
                shared: Rc::clone(shared),
                _entered: shared.drain.enter(),
            },
        })
    }

    /// Takes a place for a connection and serves it to its end, with all methods open to its peer: for
    /// tests and for streams whose other end is known. Closes it if there is no place.
    pub fn serve<IO>(&self, io: IO, peer: Peer) -> impl Future<Output = ()> + use<IO, C>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let admitted = self.admit();
        async move {
            if let Some(admitted) = admitted {
                admitted.serve(Rc::new(AllowAll), io, peer).await;
            }
        }
    }

    /// Says that a connection was turned away before it got a place.
    pub fn refused(&self) {
        if let Some(observer) = &self.shared.observer {
            observer.connection_refused();
        }
    }

    /// How many connections are being served.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.drain.open()
    }

    /// How many bytes calls hold of what all connections share.
    #[cfg(test)]
    pub(in crate::grpc) fn memory_taken(&self) -> usize {
        self.shared.memory.taken()
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

/// A connection that has a place.
pub struct Admitted<C: Clock> {
    /// Boxed: each future that it is handed to keeps room for what it was given.
    timers: Box<Timers<C>>,
    place: TableEntry<C>,
}

impl<C: Clock> Admitted<C> {
    /// Does what has to come before [`serve`](Self::serve), for as long as the connection may stay: `None`
    /// if its time to greet is over, the server drains or the place is needed. A panic in `work` is
    /// logged and is `None` as well.
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
                call::report_panic("preparation", &*panic);
                None
            }
        }
    }

    /// Serves the connection to its end; `gate` is asked about each of its calls. It never panics: a panic
    /// ends this connection, or only one of its calls, and is logged.
    pub async fn serve<IO>(self, gate: Rc<dyn CallPolicy>, io: IO, peer: Peer)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Self { timers, place } = self;
        let shared = &place.shared;
        let caller = Rc::new(ConnectionContext {
            peer: Rc::new(peer),
            gate,
            router: Rc::clone(&shared.router),
            limits: Rc::clone(&shared.limits),
            clock: shared.clock.clone(),
            calls: Rc::clone(&place.calls),
            observer: shared.observer.clone(),
            account: Rc::new(place.account()),
        });
        let run = connection::run(io, caller, &shared.executor, timers);
        if let Err(panic) = AssertUnwindSafe(run).catch_unwind().await {
            call::report_panic("connection", &*panic);
        }
    }
}

impl<C: Clock> fmt::Debug for Admitted<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Admitted")
            .field("serial", &self.place.serial)
            .finish_non_exhaustive()
    }
}

/// The place of one connection; free again when it is dropped.
struct TableEntry<C> {
    serial: u64,
    calls: Rc<InFlight>,
    shared: Rc<ServerState<C>>,
    _entered: Entered,
}

impl<C> TableEntry<C> {
    fn account(&self) -> Account {
        let shared = &self.shared;
        Rc::clone(&shared.memory).account(shared.limits.own_memory)
    }
}

impl<C> Drop for TableEntry<C> {
    fn drop(&mut self) {
        self.shared.places.borrow_mut().leave(self.serial);
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
