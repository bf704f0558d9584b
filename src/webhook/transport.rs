//! One HTTP request over surf, and surf's backend: smol, hyper's connection API, rustls.
//!
//! The only home of surf. Owns one exchange: the request out, the head of the answer in, and a bounded look
//! at the rest. It never retries, follows no redirect and keeps no connection.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use smol::future::{self, FutureExt};
use smol::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use super::dial::{DialError, Dialer, Duplex};
use super::method::Method;

/// How much of an answer's body is read, in bytes. Nothing in it is used: reading it only lets a well-behaved
/// receiver finish.
const BODY_LIMIT: usize = 16 * 1024;

/// How long that may take at most. The answer's status counts already.
const BODY_TIME: Duration = Duration::from_secs(1);

/// How long the caller waits for the whole call; it travels beside the request.
struct Limit(Duration);

/// How long the head of an answer may be, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// One request.
#[derive(Clone)]
pub(super) struct OutboundRequest {
    /// Where.
    pub(super) url: Url,
    /// How.
    pub(super) method: Method,
    /// With which headers; `host` and those of framing are added.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Sent only with methods that have one.
    pub(super) body: String,
}

impl fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundRequest").finish_non_exhaustive()
    }
}

/// What of an answer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutboundResponse {
    /// The status code.
    pub(super) status: u16,
    /// The value of `Retry-After`.
    pub(super) retry_after: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// There was no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection failed: {}", with_causes(.0))]
    Exchange(#[from] hyper::Error),
    /// The request cannot be written as HTTP.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    /// Something in surf that says nothing about us.
    #[error("surf failed")]
    Other,
}

/// hyper says what failed, its causes why.
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

/// Makes calls.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: surf::Client,
}

impl Transport {
    /// A transport over connections of `dialer`.
    pub(super) fn new(dialer: Dialer) -> Self {
        Self {
            client: surf::Client::with_http_client(Backend { dialer }),
        }
    }

    /// Makes one call, for which the caller waits no longer than `limit`: the call does not end itself then,
    /// but once there is a status it ends before that.
    ///
    /// # Errors
    /// [`CallError`]: there is no answer, though the receiver may have the request.
    pub(super) async fn call(
        &self,
        call: &OutboundRequest,
        limit: Duration,
    ) -> Result<OutboundResponse, CallError> {
        let mut request = surf::Request::new(method(call.method), call.url.clone());
        if call.method.has_body() {
            request.set_body(call.body.as_str());
        }
        for (name, value) in &call.headers {
            request.insert_header(name.as_str(), value.to_str().unwrap_or_default());
        }
        let inner: &mut surf::http::Request = request.as_mut();
        inner.ext_mut().insert(Limit(limit));
        let sent = self.client.send(request).await;
        let mut response = sent.map_err(|error| error.downcast().unwrap_or(CallError::Other))?;
        let response: &mut surf::http::Response = response.as_mut();
        response.ext_mut().remove().ok_or(CallError::Other)
    }
}

fn method(method: Method) -> surf::http::Method {
    match method {
        Method::Post => surf::http::Method::Post,
        Method::Put => surf::http::Method::Put,
        Method::Patch => surf::http::Method::Patch,
        Method::Get => surf::http::Method::Get,
        Method::Head => surf::http::Method::Head,
        Method::Delete => surf::http::Method::Delete,
        Method::Options => surf::http::Method::Options,
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
        let limit = request
            .ext()
            .get()
            .map_or(Duration::MAX, |Limit(limit)| *limit);
        let end = Instant::now().checked_add(limit);
        let written = write(request).await?;
        let exchanged = async {
            let stream = self.dialer.dial(&url).await?;
            exchange(stream, written, end).await
        };
        let bad_gateway = surf::http::StatusCode::BadGateway;
        exchanged
            .await
            .map_err(|error| surf::http::Error::new(bad_gateway, error))
    }
}

/// surf's request as hyper's.
async fn write(
    mut request: surf::http::Request,
) -> Result<http::Request<String>, surf::http::Error> {
    let url = request.url();
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let mut written = http::Request::builder()
        .method(request.method().to_string().as_str())
        .uri(target)
        .header(header::HOST, authority);
    for (name, values) in request.iter() {
        for value in values {
            written = written.header(name.as_str(), value.as_str());
        }
    }
    let body = request.body_string().await?;
    let internal = surf::http::StatusCode::InternalServerError;
    written
        .body(body)
        .map_err(|error| surf::http::Error::new(internal, CallError::Request(error)))
}

/// One request and its answer over one connection; the caller waits until `end`.
async fn exchange(
    stream: Box<dyn Duplex>,
    request: http::Request<String>,
    end: Option<Instant>,
) -> Result<surf::http::Response, CallError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(HyperIo(stream))
        .await?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let left = end.map_or(BODY_TIME, |end| {
            end.saturating_duration_since(Instant::now())
        });
        skim(body)
            .or(async {
                smol::Timer::after(BODY_TIME.min(left / 2)).await;
            })
            .await;
        Ok::<_, CallError>(head)
    };
    // The connection moves while the answer is awaited; that it ended is told by the answer.
    let moved = async {
        let _ended = connection.await;
        future::pending().await
    };
    let head = answered.or(moved).await?;
    let retry_after = head.headers.get(header::RETRY_AFTER);
    let answer = OutboundResponse {
        status: head.status.as_u16(),
        retry_after: retry_after
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    };
    // Beside the response that surf wants: of a status that nobody has registered it cannot make one, and
    // panics.
    let mut response = surf::http::Response::new(surf::http::StatusCode::Ok);
    response.ext_mut().insert(answer);
    Ok(response)
}

/// Reads a body to its end or to the limit.
async fn skim(body: impl Body<Data = bytes::Bytes>) {
    let mut body = pin!(body);
    let mut left = BODY_LIMIT;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}

/// hyper's I/O traits over ours.
struct HyperIo(Box<dyn Duplex>);

impl Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's buffer is uninitialised memory, which only unsafe code could fill in place.
        let mut chunk = [0; 4096];
        let room = buffer.remaining().min(chunk.len());
        let (chunk, _) = chunk.split_at_mut(room);
        let read = ready!(Pin::new(&mut self.0).poll_read(cx, chunk))?;
        buffer.put_slice(chunk.get(..read).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
