//! `process-wrapper run`: starts the parts of the wrapper and stops them in order.
//!
//! Owns the order of start and stop. It never decides about the process: the supervisor does.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future;

use crate::access::Listen;
use crate::address::{Address, Host};
use crate::cli::connections::ConnectionsError;
use crate::cli::default_socket::DefaultSocket;
use crate::cli::listeners::{self, ListenerError, Names};
use crate::cli::monitoring::{Monitoring, MonitoringError};
use crate::cli::options::Run;
use crate::cli::spawn::{self, StartProcessError};
use crate::cli::{FAILED, USAGE, complain};
use crate::clock::MonotonicClock;
use crate::grpc::rules::limits::Limits;
use crate::grpc::server::Server;
use crate::lifecycle::Exit;
use crate::net::default_address::{self, Environment};
use crate::process::child;
use crate::process::pidfd::{self, PidfdError};
use crate::process::reactor::{self, ReactorError};
use crate::process::remedy::remedy;
use crate::process::sentinel::{Sentinel, SentinelError};
use crate::process::signals::{self, Signals};
use crate::process::streams::Inherited;
use crate::process::{reaper, self_process};
use crate::readiness;
use crate::service;
use crate::supervisor::{self, Handle, Wrapped};
use crate::systemd::{self, socket::ServiceManager};
use crate::webhook::Dispatcher;

/// The limit for calls in flight once the wrapper exits. State watchers have their answer by then;
/// a silent peer must not delay the exit.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the wrapper cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    DefaultAddress(#[from] default_address::DefaultAddressError),
    #[cfg(feature = "webhooks")]
    #[error(transparent)]
    Dispatcher(#[from] crate::cli::webhooks::WebhookError),
    #[error(transparent)]
    ListenerPolicy(#[from] ListenerError),
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
    #[error(transparent)]
    Connections(#[from] ConnectionsError),
    #[error("signal handlers could not be installed: {0}{hint}", hint = remedy(.0))]
    Signals(std::io::Error),
    #[error(transparent)]
    Pidfd(#[from] PidfdError),
    #[error(transparent)]
    Reactor(#[from] ReactorError),
    #[error(transparent)]
    Sentinel(#[from] SentinelError),
    #[error(transparent)]
    Process(#[from] StartProcessError),
}

impl StartError {
    fn status(&self) -> u8 {
        match self {
            Self::DefaultAddress(_) | Self::Connections(_) => USAGE,
            #[cfg(feature = "webhooks")]
            Self::Dispatcher(error) if error.is_usage() => USAGE,
            #[cfg(feature = "webhooks")]
            Self::Dispatcher(_) => FAILED,
            Self::ListenerPolicy(error) if error.is_usage() => USAGE,
            Self::Monitoring(error) if error.is_usage() => USAGE,
            Self::Process(StartProcessError::NotDurable(_))
            | Self::ListenerPolicy(_)
            | Self::Monitoring(_)
            | Self::Signals(_)
            | Self::Pidfd(_)
            | Self::Reactor(_)
            | Self::Sentinel(_) => FAILED,
            Self::Process(StartProcessError::Spawn(error)) => error.status(),
        }
    }
}

/// Runs the wrapper and returns its exit code. The caller has blocked all signals.
pub(super) fn run(options: &Run) -> u8 {
    // Must precede `forbid_dumps`, which makes part of /proc/self unreadable for this process.
    let inherited = Inherited::find();
    let ignored = self_process::ignored_at_start();
    let kept_lines = match crate::log::init(options.log_format, options.log_level) {
        Ok(kept_lines) => kept_lines,
        Err(error) => {
            complain(&error.to_string());
            return FAILED;
        }
    };
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    self_process::forbid_dumps();
    reaper::become_subreaper();
    let executor = Rc::new(LocalExecutor::new());
    executor.spawn(kept_lines.write(MonotonicClock)).detach();
    let addresses = options.listen.len().max(1) + options.http_listen.len();
    let result = pidfd::probe()
        .map_err(StartError::from)
        .and_then(|()| Ok(reactor::start(addresses)?))
        .and_then(|()| {
            if needs_resolver(options) {
                reactor::probe_thread()?;
            }
            Ok(())
        })
        .and_then(|()| {
            reactor::run(
                &executor,
                supervise(options, &ignored, inherited, Rc::clone(&executor)),
            )
        });
    match result {
        Ok(exit) => exit.status(),
        Err(error) => {
            complain(&options.sources.explain(error.to_string()));
            error.status()
        }
    }
}

async fn supervise(
    options: &Run,
    ignored: &[crate::signal::Signal],
    inherited: Inherited,
    executor: Rc<LocalExecutor<'static>>,
) -> Result<Exit, StartError> {
    reactor::take_over_event_loop().await?;
    drive_async_process(&executor).await;
    let signals = Signals::install(ignored).map_err(StartError::Signals)?;
    let webhooks = webhooks(options).await?;
    // Fails before any bind if one listener alone exceeds the descriptors.
    options
        .connections
        .limits(self_process::descriptor_limit(), 1)?;
    // Listeners open before the process starts, so that a bad address leaves no process behind.
    let (listeners, default_socket) = bind(options, &executor).await?;
    let monitoring = Monitoring::open(&options.http_listen, &options.http_hosts).await?;
    let descriptors =
        self_process::descriptor_limit().map(|all| all.saturating_sub(monitoring.descriptors()));
    let limits = options.connections.limits(descriptors, listeners.len())?;
    let sentinel = match options.on_wrapper_death {
        Some(signal) => Sentinel::start(signal)?,
        None => None,
    };
    signals::unblock().map_err(StartError::Signals)?;
    let child = spawn::spawn(&options.program, sentinel.as_ref(), &webhooks).await?;
    // The process has its copies: ours would keep its pipes and locks busy. A command after the
    // exit needs them until it starts.
    let inherited = match options.after_exit {
        Some(_) => Some(inherited),
        None => {
            inherited.close();
            None
        }
    };
    let wrapped = Wrapped {
        program: options.program.name.to_string_lossy().into_owned(),
        child,
        after_exit: options.after_exit.clone(),
        sentinel,
        webhooks: webhooks.clone(),
    };
    tracing::info!(
        pid = wrapped.child.pid(),
        program = wrapped.program,
        "started"
    );
    let handle = Handle::new(options.lifecycle.clone(), wrapped, Rc::clone(&executor));
    handle.take_up_recovered();
    let probing = options
        .readiness
        .clone()
        .zip(options.lifecycle.ready_within)
        .map(|(probe, within)| {
            executor.spawn(readiness::report(
                handle.clone(),
                probe,
                within,
                MonotonicClock,
            ))
        });
    // Each listener has its own connection table, so that a flood on one does not block the others.
    let (servers, accepting): (Vec<_>, Vec<_>) = listeners
        .into_iter()
        .map(|(listener, policy)| {
            let router = service::router(&handle);
            let (runs_on, observer) = (Rc::clone(&executor), monitoring.observer());
            let limits = Limits {
                evict_calls: policy.evicts_calls(),
                ..limits
            };
            let server = Server::new(router, limits, MonotonicClock, runs_on, observer);
            let (serve, spawner) = (server.clone(), Rc::clone(&executor));
            let accept = move |listener| {
                let (policy, spawner) = (Rc::clone(&policy), Rc::clone(&spawner));
                service::accept(listener, policy, serve.clone(), spawner, MonotonicClock)
            };
            let accepting = match default_socket.clone() {
                Some(socket) => executor.spawn(socket.accept(listener, MonotonicClock, accept)),
                None => executor.spawn(accept(listener)),
            };
            (server, accepting)
        })
        .unzip();
    let pages = monitoring.serve(&handle, &servers, &executor);
    let reporting = match ServiceManager::from_environment() {
        Some(manager) => {
            let announced = systemd::ready(manager, &handle, &MonotonicClock).await;
            let report = systemd::report(manager, announced, handle.clone(), MonotonicClock);
            Some(executor.spawn(report))
        }
        None => None,
    };
    // A task of its own, because the executor polls tasks in turn. This future is polled only
    // between rounds, and busy tasks would starve the supervisor.
    let supervised = handle.clone();
    let exit = executor
        .spawn(async move { supervisor::drive(&supervised, signals, inherited).await })
        .await;
    drop((reporting, probing));
    // The listeners close first, then the open connections drain.
    for task in accepting.into_iter().chain(pages) {
        task.cancel().await;
    }
    let drains: Vec<_> = servers
        .into_iter()
        .map(|server| executor.spawn(async move { server.drain(DRAIN).await }))
        .collect();
    for drain in drains {
        drain.await;
    }
    webhooks.close().await;
    tracing::info!(status = exit.status(), "leaving");
    Ok(exit)
}

#[cfg(feature = "webhooks")]
async fn webhooks(options: &Run) -> Result<Dispatcher, StartError> {
    Ok(crate::cli::webhooks::open(&options.webhooks).await?)
}

#[cfg(not(feature = "webhooks"))]
async fn webhooks(_options: &Run) -> Result<Dispatcher, StartError> {
    Ok(Dispatcher::default())
}

/// Whether an address has a host name. The resolver needs a thread.
fn needs_resolver(options: &Run) -> bool {
    let listens = options.listen.iter().map(|listen| &listen.address);
    listens.chain(&options.http_listen).any(|address| {
        matches!(
            address,
            Address::Tcp {
                host: Host::Name(_),
                ..
            }
        )
    })
}

/// Makes this executor the reaper of async-process before any child exists.
async fn drive_async_process(executor: &LocalExecutor<'static>) {
    let mut driver = Box::pin(child::driver());
    let polled = future::poll_once(pin!(poll_in_place(&mut driver))).await;
    debug_assert!(polled.is_none(), "the driver never ends");
    executor.spawn(driver).detach();
}

fn poll_in_place<F: Future + Unpin>(future: &mut F) -> impl Future<Output = F::Output> + '_ {
    future
}

/// Opens the listeners of `--listen`, or that of the default address, with what creates it again.
async fn bind(
    options: &Run,
    executor: &LocalExecutor<'static>,
) -> Result<(Vec<listeners::PolicedListener>, Option<DefaultSocket>), StartError> {
    let default;
    let mut again = None;
    let mut names = Names {
        option: options.listen_option,
        accept: options.accept_insecure,
    };
    let listens = if options.listen.is_empty() {
        let environment = Environment::of_this_process();
        names.option = match environment.address {
            Some(_) => default_address::VARIABLE,
            None => "",
        };
        let address = default_address::prepare_default_address(&environment)?;
        if environment.address.is_none() {
            again = Some(DefaultSocket {
                environment,
                options: listeners::socket_options(&options.access)?,
                insecure: options.access.insecure,
            });
        }
        default = [Listen::control(address)];
        &default[..]
    } else {
        &options.listen[..]
    };
    let opened = listeners::open(listens, &options.access, names, executor).await?;
    Ok((opened, again))
}
