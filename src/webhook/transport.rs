//! One HTTP exchange over surf, with a backend of smol, hyper's connection API and rustls.
//!
//! The only file that uses surf. Owns one exchange: it sends the request, reads the response head
//! and part of the body. It never retries, follows a redirect or reuses a connection.

use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use hyper::body::Body;
use hyper::client::conn::http1;
use smol::future::{self, FutureExt};
use smol_hyper::rt::FuturesIo;
use url::{Position, Url};

use super::dial::{DialError, Dialer, Duplex};
use super::method::Method;
use super::policy::Origin;

/// Bytes of a response body that are read and discarded, so that the receiver can finish sending.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The time limit for the body. The status counts already.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum length of a response head, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Maximum number of header lines in a response; hyper's default is 100.
const MAX_HEADERS: usize = 1000;

/// A request extension: how long the caller waits for the exchange.
struct CallerTimeout(Duration);

/// The request of one attempt.
#[derive(Clone)]
pub(super) struct OutboundRequest {
    /// The whole URL.
    pub(super) url: Url,
    /// The method.
    pub(super) method: Method,
    /// The headers, without `host` and framing.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Sent only with a method that carries a body.
    pub(super) body: String,
    /// Where the webhook was asked for.
    pub(super) origin: Origin,
}

impl fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest").finish_non_exhaustive()
    }
}

/// The part of a response that decides the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutboundResponse {
    /// The status code.
    pub(super) status: u16,
    /// The value of `Retry-After`.
    pub(super) retry_after: Option<String>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    /// The connection was not opened.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection broke, or the response is not HTTP.
    #[error("the HTTP exchange failed: {}", with_causes(.0))]
    Exchange(#[from] hyper::Error),
    /// The request is not valid HTTP.
    #[error("the request cannot be encoded: {0}")]
    Request(#[from] http::Error),
    /// surf failed without an error of its backend.
    #[error("surf failed")]
    Other,
}

/// hyper names the failure, its causes the reason.
fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Sends requests.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: surf::Client,
}

impl Transport {
    /// A transport over the connections of `dialer`.
    pub(super) fn new(dialer: Dialer) -> Self {
        Self {
            client: surf::Client::with_http_client(Backend { dialer }),
        }
    }

    /// Sends one request. The caller drops the future after `timeout`; once the status has arrived,
    /// the future completes before that.
    ///
    /// # Errors
    /// [`TransportError`]; the receiver may have the request all the same.
    pub(super) async fn send(
        &self,
        outbound: &OutboundRequest,
        timeout: Duration,
    ) -> Result<OutboundResponse, TransportError> {
        let mut request = surf::Request::new(surf::http::Method::Post, outbound.url.clone());
        if outbound.method.has_body() {
            request.set_body(outbound.body.as_str());
        }
        for (name, value) in &outbound.headers {
            request.insert_header(name.as_str(), value.to_str().unwrap_or_default());
        }
        let inner: &mut surf::http::Request = request.as_mut();
        inner.ext_mut().insert(CallerTimeout(timeout));
        // surf has no methods but those that are registered.
        inner.ext_mut().insert(outbound.method);
        inner.ext_mut().insert(outbound.origin);
        let sent = self.client.send(request).await;
        let mut response =
            sent.map_err(|error| error.downcast().unwrap_or(TransportError::Other))?;
        let response: &mut surf::http::Response = response.as_mut();
        response.ext_mut().remove().ok_or(TransportError::Other)
    }
}

#[derive(Debug)]
struct Backend {
    dialer: Dialer,
}

#[async_trait]
impl surf::HttpClient for Backend {
    async fn send(
        &self,
        request: surf::http::Request,
    ) -> Result<surf::http::Response, surf::http::Error> {
        let url = request.url().clone();
        let timeout = request
            .ext()
            .get()
            .map_or(Duration::MAX, |CallerTimeout(timeout)| *timeout);
        let origin = request.ext().get().copied().unwrap_or(Origin::Network);
        let deadline = Instant::now().checked_add(timeout);
        let request = to_hyper(request).await?;
        let exchanged = async {
            let stream = self.dialer.dial(&url, origin).await?;
            exchange(stream, request, deadline).await
        };
        let bad_gateway = surf::http::StatusCode::BadGateway;
        exchanged
            .await
            .map_err(|error| surf::http::Error::new(bad_gateway, error))
    }
}

/// Converts surf's request to hyper's.
async fn to_hyper(
    mut request: surf::http::Request,
) -> Result<http::Request<String>, surf::http::Error> {
    let url = request.url();
    let method = request.ext().get::<Method>().copied().unwrap_or_default();
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let mut builder = http::Request::builder()
        .method(method.name())
        .uri(target)
        .header(header::HOST, authority);
    for (name, values) in request.iter() {
        for value in values {
            builder = builder.header(name.as_str(), value.as_str());
        }
    }
    let body = request.body_string().await?;
    let internal = surf::http::StatusCode::InternalServerError;
    builder
        .body(body)
        .map_err(|error| surf::http::Error::new(internal, TransportError::Request(error)))
}

/// Sends a request and reads the response over one connection; the caller waits until `deadline`.
async fn exchange(
    stream: Box<dyn Duplex>,
    request: http::Request<String>,
    deadline: Option<Instant>,
) -> Result<surf::http::Response, TransportError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        // What curl and Go accept: a receiver that took the event must not get it again.
        .max_headers(MAX_HEADERS)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(FuturesIo::new(stream))
        .await?;
    let received = async {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let remaining = deadline.map_or(BODY_TIMEOUT, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        discard(body)
            .or(async {
                smol::Timer::after(BODY_TIMEOUT.min(remaining / 2)).await;
            })
            .await;
        Ok::<_, TransportError>(head)
    };
    // Drives the connection. `received` reports its end.
    let driver = async {
        let _ended = connection.await;
        future::pending().await
    };
    let head = received.or(driver).await?;
    let retry_after = head.headers.get(header::RETRY_AFTER);
    let outbound_response = OutboundResponse {
        status: head.status.as_u16(),
        retry_after: retry_after
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    };
    // An extension of a dummy response: surf's `StatusCode` cannot hold an unregistered status.
    let mut response = surf::http::Response::new(surf::http::StatusCode::Ok);
    response.ext_mut().insert(outbound_response);
    Ok(response)
}

/// Reads a body to its end or to [`MAX_BODY_BYTES`].
async fn discard(body: impl Body<Data = bytes::Bytes>) {
    let mut body = pin!(body);
    let mut remaining = MAX_BODY_BYTES;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        match remaining.checked_sub(length) {
            Some(rest) => remaining = rest,
            None => break,
        }
    }
}
