//! The pages: `/metrics`, `/livez`, `/readyz`.
//!
//! Owns the only HTTP/1.1 server, which is hyper's, and its limits. It never changes anything and asks nobody who
//! they are: what it shows is no secret.

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
use super::metrics::Metrics;
use super::snapshot::Snapshot;
use crate::clock::Clock;
use crate::grpc::server::Server;
use crate::lifecycle::State;
use crate::net::listen::Listener;
use crate::supervisor::Handle;

/// Scrapers and probes come one at a time. For one more than this the oldest goes: whoever holds connections, silent
/// or without reading what they asked for, must not keep the kubelet's probe out.
pub const MAX_CONNECTIONS: usize = 32;

/// From the start of a request, or from the end of the last one, to the end of its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole connection: a scraper comes every few seconds and may keep its connection for long.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// A request's head; hyper's lower bound.
const MAX_HEAD: usize = 8192;

/// How long to wait before accepting again after it failed, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the pages on a listener for as long as the task lives.
pub async fn serve<C: Clock>(
    listener: Listener,
    metrics: Rc<Metrics>,
    handle: Handle,
    servers: Rc<[Server<C>]>,
    executor: Rc<LocalExecutor<'static>>,
    clock: C,
) {
    let mut connections: VecDeque<Task<()>> = VecDeque::with_capacity(MAX_CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Pages {
                    metrics: Rc::clone(&metrics),
                    handle: handle.clone(),
                    servers: Rc::clone(&servers),
                };
                let aged = clock.sleep(MAX_AGE);
                let connection = async move {
                    let service = service_fn(move |request| {
                        let response = pages.answer(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let served = http1::Builder::new()
                        .timer(SmolTimer::new())
                        .header_read_timeout(HEAD_TIMEOUT)
                        .max_buf_size(MAX_HEAD)
                        .serve_connection(FuturesIo::new(stream), service);
                    let ended = async {
                        if let Err(error) = served.await {
                            tracing::debug!(%error, "an HTTP connection ended");
                        }
                    };
                    future::or(ended, aged).await;
                };
                connections.retain(|connection| !connection.is_finished());
                if connections.len() >= MAX_CONNECTIONS {
                    // Dropped, it is closed.
                    connections.pop_front();
                }
                connections.push_back(executor.spawn(connection));
            }
            Err(error) => {
                tracing::warn!(%error, "HTTP connections are not accepted for now");
                clock.sleep(PAUSE).await;
            }
        }
    }
}

/// What the pages are made from.
struct Pages<C> {
    metrics: Rc<Metrics>,
    handle: Handle,
    servers: Rc<[Server<C>]>,
}

impl<C: Clock> Pages<C> {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => {
                let accept = request.headers().get(ACCEPT);
                self.metrics(MetricsFormat::accepted(
                    accept.and_then(|types| types.to_str().ok()),
                ))
            }
            // Whoever answers is alive; a process that drains or has gone is no reason to restart us.
            "/livez" => page(StatusCode::OK, "ok\n"),
            "/readyz" => match self.handle.state() {
                State::Running => page(StatusCode::OK, "running\n"),
                State::ShuttingDown => page(StatusCode::SERVICE_UNAVAILABLE, "shutting_down\n"),
                State::Gone => page(StatusCode::SERVICE_UNAVAILABLE, "gone\n"),
            },
            _ => page(
                StatusCode::NOT_FOUND,
                "there are /metrics, /livez and /readyz\n",
            ),
        }
    }

    fn metrics(&self, format: MetricsFormat) -> Response<Full<Bytes>> {
        let snapshot = Snapshot {
            connections: self.servers.iter().map(Server::connections).sum(),
            orphans_reaped: self.handle.orphans_reaped(),
            ..Snapshot::of(&self.handle.facts())
        };
        match self.metrics.text(&snapshot) {
            Ok(text) => {
                let mut response = page(StatusCode::OK, format.write(text));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
                response
            }
            Err(std::fmt::Error) => page(StatusCode::INTERNAL_SERVER_ERROR, "not to be written\n"),
        }
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
