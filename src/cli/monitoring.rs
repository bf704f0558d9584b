//! `--http-listen`: the HTTP listeners for metrics and probes.
//!
//! Owns the wiring of `monitor` into the start. It never decides the content of a page.

use std::rc::Rc;

use smol::LocalExecutor;

use crate::address::Address;
use crate::clock::MonotonicClock;
use crate::grpc::server::{Observer, Server};
use crate::net::listen::{self, BindError, Listener, SocketOptions};
use crate::supervisor::Handle;

/// Why `--http-listen` fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum MonitoringError {
    #[error("--http-listen: {0}")]
    Bind(#[from] BindError),
    /// The build lacks the feature `monitor`.
    #[cfg(not(feature = "monitor"))]
    #[error("this build has no --http-listen; omit it, or build with the feature `monitor`")]
    NotBuiltIn,
}

impl MonitoringError {
    /// Whether the command line causes the error.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Bind(error) => error.is_usage(),
            #[cfg(not(feature = "monitor"))]
            Self::NotBuiltIn => true,
        }
    }
}

/// The HTTP listeners; they open before the process starts.
pub(super) struct Monitoring {
    listeners: Vec<Listener>,
    #[cfg(feature = "monitor")]
    metrics: Rc<crate::monitor::Metrics>,
    #[cfg(feature = "monitor")]
    hosts: Rc<crate::monitor::HostNames>,
}

impl Monitoring {
    /// Opens the listeners; browsers may call them by the names in `hosts`.
    pub(super) async fn open(
        addresses: &[Address],
        hosts: &[String],
    ) -> Result<Self, MonitoringError> {
        #[cfg(not(feature = "monitor"))]
        if !(addresses.is_empty() && hosts.is_empty()) {
            return Err(MonitoringError::NotBuiltIn);
        }
        let mut listeners = Vec::new();
        for address in addresses {
            for listener in listen::bind(address, &SocketOptions::default()).await? {
                tracing::info!(address = %listener.local_address(), "listening for HTTP");
                listeners.push(listener);
            }
        }
        Ok(Self {
            listeners,
            #[cfg(feature = "monitor")]
            metrics: Rc::default(),
            #[cfg(feature = "monitor")]
            hosts: Rc::new(crate::monitor::HostNames::new(hosts, addresses)),
        })
    }

    /// The observer of the gRPC servers. `None` without a listener, since no scraper would read it.
    pub(super) fn observer(&self) -> Option<Rc<dyn Observer>> {
        #[cfg(feature = "monitor")]
        if !self.listeners.is_empty() {
            return Some(Rc::<crate::monitor::Metrics>::clone(&self.metrics));
        }
        None
    }

    /// The maximum of descriptors for HTTP connections.
    pub(super) fn descriptors(&self) -> u64 {
        #[cfg(feature = "monitor")]
        let each: u64 = crate::monitor::MAX_CONNECTIONS as u64;
        #[cfg(not(feature = "monitor"))]
        let each: u64 = 0;
        each.saturating_mul(self.listeners.len() as u64)
    }

    /// Serves until the returned tasks are dropped.
    #[cfg_attr(
        not(feature = "monitor"),
        expect(
            unused_variables,
            reason = "a build without `monitor` has no listeners"
        )
    )]
    pub(super) fn serve(
        self,
        handle: &Handle,
        servers: &[Server<MonotonicClock>],
        executor: &Rc<LocalExecutor<'static>>,
    ) -> Vec<smol::Task<()>> {
        #[cfg(feature = "monitor")]
        let servers: Rc<[_]> = servers.into();
        #[cfg(feature = "monitor")]
        let serve = |listener| {
            executor.spawn(crate::monitor::serve(
                listener,
                Rc::clone(&self.metrics),
                Rc::clone(&self.hosts),
                handle.clone(),
                Rc::clone(&servers),
                Rc::clone(executor),
                MonotonicClock,
            ))
        };
        #[cfg(not(feature = "monitor"))]
        let serve = |listener| executor.spawn(async move { drop::<Listener>(listener) });
        self.listeners.into_iter().map(serve).collect()
    }
}
