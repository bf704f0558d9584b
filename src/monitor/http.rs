//! The HTTP/1.1 server for `/metrics`, `/livez` and `/readyz`.
//!
//! Owns the only use of hyper's server, and its limits. It never authenticates a caller: the pages
//! hold no secret. It never changes any state.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use smol::{LocalExecutor, Task, future};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::format::MetricsFormat;
use super::host::HostNames;
use super::metrics::Metrics;
use super::recent_pages::RecentPages;
use super::snapshot::Snapshot;
use crate::access::throttle::Throttle;
use crate::clock::Clock;
use crate::grpc::server::Server;
use crate::lifecycle::State;
use crate::log::{self, LineThrottle};
use crate::net::first_bytes::Served;
use crate::net::listen::Listener;
use crate::net::wrong_protocol::check;
use crate::supervisor::Handle;

/// Maximum connections per listener. When full, the oldest is closed: idle or stalled clients must
/// not block the kubelet's probe.
pub const MAX_CONNECTIONS: usize = 32;

/// The time limit for a request head, from the accept or from the end of the previous request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that a connection may send at once, then one per interval: a client that pipelines them
/// must not keep the processor busy. Scrapers and probes send one every few seconds.
const REQUEST_BURST: u32 = 5;
const REQUEST_INTERVAL: Duration = Duration::from_millis(100);

/// The maximum age of a connection. A scraper may keep one open between scrapes.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Maximum length of a request head, in bytes; hyper's lower bound.
const MAX_HEAD_BYTES: usize = 8192;

/// The delay after a failed accept, for example without free file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

const UNKNOWN_HOST: &str = "browsers are not answered under this host name; open the IP address or \
    localhost, or add the name with `process-wrapper run --http-host NAME`\n";

/// Serves a listener until the task is dropped.
pub async fn serve<C: Clock>(
    listener: Listener,
    metrics: Rc<Metrics>,
    hosts: Rc<HostNames>,
    handle: Handle,
    servers: Rc<[Server<C>]>,
    executor: Rc<LocalExecutor<'static>>,
    clock: C,
) {
    let mut connections: VecDeque<Task<()>> = VecDeque::with_capacity(MAX_CONNECTIONS);
    let shortages = LineThrottle::for_conditions();
    let full = LineThrottle::for_conditions();
    let protocols = Rc::new(LineThrottle::for_events());
    let recent = Rc::new(RefCell::new(RecentPages::new()));
    loop {
        match listener.accept().await {
            Ok((mut stream, peer)) => {
                let pages = Rc::new(Pages {
                    metrics: Rc::clone(&metrics),
                    hosts: Rc::clone(&hosts),
                    handle: handle.clone(),
                    servers: Rc::clone(&servers),
                    recent: Rc::clone(&recent),
                    clock: clock.clone(),
                });
                let budget = RefCell::new(Throttle::new(REQUEST_BURST, REQUEST_INTERVAL));
                let timer = clock.clone();
                let max_age = clock.sleep(MAX_AGE);
                let name = listener.local_address().to_string();
                let (from, peek_clock) = (peer.clone(), clock.clone());
                let lines = Rc::clone(&protocols);
                let connection = async move {
                    let served = Served::Pages;
                    let checked = check(&mut stream, served, &from, &name, &lines, &peek_clock);
                    let expired = async {
                        peek_clock.sleep(HEAD_TIMEOUT).await;
                        Ok(false)
                    };
                    if !matches!(future::or(checked, expired).await, Ok(true)) {
                        return;
                    }
                    let service = service_fn(move |request: Request<Incoming>| {
                        let pages = Rc::clone(&pages);
                        let now = timer.now();
                        let delay = budget.borrow_mut().reserve(now, REQUEST_INTERVAL);
                        let timer = timer.clone();
                        async move {
                            timer.sleep(delay).await;
                            // Pipelined requests would otherwise share one turn.
                            future::yield_now().await;
                            Ok::<_, Infallible>(pages.respond(&request))
                        }
                    });
                    let served = http1::Builder::new()
                        .timer(SmolTimer::new())
                        .header_read_timeout(HEAD_TIMEOUT)
                        .max_buf_size(MAX_HEAD_BYTES)
                        .serve_connection(FuturesIo::new(stream), service);
                    let ended = async {
                        if let Err(error) = served.await {
                            tracing::debug!(%error, "HTTP connection closed");
                        }
                    };
                    future::or(ended, max_age).await;
                };
                connections.retain(|connection| !connection.is_finished());
                if connections.len() >= MAX_CONNECTIONS {
                    if let Some(held_back) = full.try_acquire(clock.now()) {
                        tracing::warn!(
                            %peer,
                            held_back = held_back.count(),
                            "the HTTP listener is full: for each new connection the oldest is closed"
                        );
                    }
                    // Dropping the task closes the connection.
                    connections.pop_front();
                }
                connections.push_back(executor.spawn(connection));
            }
            Err(error) => {
                if let Some(held_back) = shortages.try_acquire(clock.now()) {
                    tracing::warn!(
                        %error,
                        held_back = held_back.count(),
                        "HTTP connections are not accepted for now; retrying in 100 ms"
                    );
                }
                clock.sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// The path of the metrics.
const METRICS: &str = "/metrics";

/// The sources of the pages.
struct Pages<C> {
    metrics: Rc<Metrics>,
    hosts: Rc<HostNames>,
    handle: Handle,
    servers: Rc<[Server<C>]>,
    recent: Rc<RefCell<RecentPages>>,
    clock: C,
}

impl<C: Clock> Pages<C> {
    fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if !self.hosts.allow(request.uri(), request.headers()) {
            return page(StatusCode::MISDIRECTED_REQUEST, UNKNOWN_HOST);
        }
        match request.uri().path() {
            METRICS => {
                let accept = request.headers().get(ACCEPT);
                self.metrics(MetricsFormat::negotiate(
                    accept.and_then(|types| types.to_str().ok()),
                ))
            }
            // The wrapper is alive while it answers. Draining or a gone process is no reason for a
            // restart.
            "/livez" => page(StatusCode::OK, "ok\n"),
            "/readyz" => match self.handle.state() {
                State::Running => page(StatusCode::OK, "running\n"),
                State::ShuttingDown => page(StatusCode::SERVICE_UNAVAILABLE, "shutting_down\n"),
                State::Gone => page(StatusCode::SERVICE_UNAVAILABLE, "gone\n"),
            },
            _ => page(
                StatusCode::NOT_FOUND,
                "not found; try /metrics, /livez or /readyz\n",
            ),
        }
    }

    fn metrics(&self, format: MetricsFormat) -> Response<Full<Bytes>> {
        let make = || self.make(format);
        let recent = self.recent.borrow_mut().get(format, self.clock.now(), make);
        match recent {
            Ok(text) => {
                let mut response = page(StatusCode::OK, text);
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
                response
            }
            Err(std::fmt::Error) => page(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot encode the metrics\n",
            ),
        }
    }

    fn make(&self, format: MetricsFormat) -> Result<String, std::fmt::Error> {
        let snapshot = Snapshot {
            connections: self.servers.iter().map(Server::connections).sum(),
            orphans_reaped: self.handle.orphans_reaped(),
            signals_sent: self.handle.signals_sent(),
            dropped_lines: log::dropped_lines(),
            ..Snapshot::of(&self.handle.facts())
        };
        Ok(format.convert(self.metrics.text(&snapshot)?))
    }
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, plain);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
