//! `--http-listen`: the monitoring pages, where they were asked for and built in.
//!
//! Owns the wiring of `monitor` into the start. It never decides what is shown.

use std::rc::Rc;

use smol::LocalExecutor;

use crate::address::Address;
use crate::clock::MonotonicClock;
use crate::grpc::server::{Observer, Server};
use crate::net::listen::{self, BindError, Listener, SocketOptions};
use crate::supervisor::Handle;

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub(super) enum MonitoringError {
    /// An address cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The code is not there.
    #[cfg(not(feature = "monitor"))]
    #[error("this build has no --http-listen; leave it out, or build with the feature `monitor`")]
    NotBuiltIn,
}

impl MonitoringError {
    /// Whether the caller can put it right on the command line.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Bind(error) => error.is_usage(),
            #[cfg(not(feature = "monitor"))]
            Self::NotBuiltIn => true,
        }
    }
}

/// The pages' listeners, which stand before the process is started.
pub(super) struct Monitoring {
    listeners: Vec<Listener>,
    #[cfg(feature = "monitor")]
    metrics: Rc<crate::monitor::Metrics>,
}

impl Monitoring {
    /// Opens the listeners; none if nobody asked.
    pub(super) async fn open(addresses: &[Address]) -> Result<Self, MonitoringError> {
        #[cfg(not(feature = "monitor"))]
        if !addresses.is_empty() {
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
        })
    }

    /// Whoever is to be told what happens on the server. Nothing is counted that nobody can read.
    pub(super) fn observer(&self) -> Option<Rc<dyn Observer>> {
        #[cfg(feature = "monitor")]
        if !self.listeners.is_empty() {
            return Some(Rc::<crate::monitor::Metrics>::clone(&self.metrics));
        }
        None
    }

    /// How many descriptors the pages' connections may take at most.
    pub(super) fn descriptors(&self) -> u64 {
        #[cfg(feature = "monitor")]
        let each: u64 = crate::monitor::MAX_CONNECTIONS as u64;
        #[cfg(not(feature = "monitor"))]
        let each: u64 = 0;
        each.saturating_mul(self.listeners.len() as u64)
    }

    /// Serves the pages for as long as the returned tasks live.
    #[cfg_attr(
        not(feature = "monitor"),
        expect(unused_variables, reason = "there are no listeners in such a build")
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
