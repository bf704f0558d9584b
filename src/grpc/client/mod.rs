//! The client: calls over one connection.
//!
//! Owns the request head, and the status of a response or of a failure. It spawns nothing: the
//! caller polls the connection on its own executor. It never connects, reconnects or retries; the
//! server enforces the timeout of a call, not the client.

mod pings;
mod read_first;
mod responses;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future::or;
use futures_lite::io::{AsyncRead, AsyncWrite};
use h2::Reason;
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request};
use prost::Message;

use crate::grpc::outgoing::{Outgoing, StreamClosed};
use crate::grpc::rules::limits::Limits;
use crate::grpc::rules::message;
use crate::grpc::rules::metadata::APPLICATION_GRPC;
use crate::grpc::rules::status::{Code, Status, code_from_reset};
use crate::grpc::rules::timeout::{self, GRPC_TIMEOUT};
use crate::net::budget::Budgeted;

use read_first::ReadFirst;

pub use pings::Pings;
pub use responses::Responses;

/// PROTOCOL-HTTP2 asks for `grpc-`, a language and a version.
const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "grpc-rust-process-wrapper/",
    env!("CARGO_PKG_VERSION")
));

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The name of the server is not an authority of a URI.
    #[error("`{0}` cannot be the authority of a call: use a host name or an address")]
    Authority(String),
    /// The HTTP/2 handshake or the connection failed.
    #[error("the HTTP/2 connection failed: {0}")]
    Http2(#[from] h2::Error),
}

/// The options of a call.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// How long the server may take. The server ends the call then; the client does not.
    pub timeout: Option<Duration>,
    /// Additional headers; those of the protocol replace them.
    pub metadata: HeaderMap,
}

/// Makes calls on a connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Channel {
    requests: SendRequest<Bytes>,
    authority: Authority,
    max_message: usize,
}

/// The connection under a [`Channel`]. It makes progress only while it is polled. It completes when
/// the server closes it, or once all channels and calls are dropped.
#[must_use = "calls make progress only while the connection is polled"]
#[derive(Debug)]
pub struct Connection<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    inner: h2::client::Connection<Budgeted<ReadFirst<IO>>, Bytes>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// The sender of PINGs; `None` after the first call.
    pub fn pings(&mut self) -> Option<Pings> {
        self.inner.ping_pong().map(Pings)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Future for Connection<IO> {
    type Output = Result<(), GrpcError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx).map_err(GrpcError::from)
    }
}

/// Starts HTTP/2 on `io`. `authority` is the name of the server, such as `localhost`.
///
/// # Errors
///
/// [`GrpcError::Authority`] before anything is sent; [`GrpcError::Http2`] if `io` fails.
pub async fn handshake<IO>(
    io: IO,
    authority: &str,
    limits: &Limits,
) -> Result<(Channel, Connection<IO>), GrpcError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let authority =
        Authority::try_from(authority).map_err(|_| GrpcError::Authority(authority.to_owned()))?;
    let (requests, inner) = Builder::new()
        .enable_push(false)
        .max_header_list_size(limits.max_header_list)
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(limits.max_send_buffer)
        .handshake(Budgeted::new(ReadFirst::new(io), limits.read_budget))
        .await?;
    let channel = Channel {
        requests,
        authority,
        max_message: limits.max_message,
    };
    Ok((channel, Connection { inner }))
}

impl Channel {
    /// Calls a method that takes one message and answers with one.
    ///
    /// # Errors
    ///
    /// The status of the call, if it is not `OK`. A failure without a status gets one as the
    /// documents of gRPC say: `UNAVAILABLE` for a lost connection, for example.
    pub async fn unary<Req, Resp>(
        &self,
        path: &str,
        request: &Req,
        options: CallOptions,
    ) -> Result<Resp, Status>
    where
        Req: Message,
        Resp: Message + Default,
    {
        let (mut requests, mut responses) = self.open(path, options).await?;
        // The answer counts, also before the server has read everything: then neither a stream that
        // has ended nor one without window is a failure.
        let sending = async {
            match requests.send(request).await {
                Ok(()) => requests.finish().await,
                Err(status) if status.code == Code::Cancelled => {}
                Err(status) => return Err(status),
            }
            pending().await
        };
        or(sending, responses.receive_only()).await
    }

    /// Starts a call that takes and answers with any number of messages. Dropping both halves
    /// cancels it.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` if the connection takes no more calls, `INTERNAL` if `path` is not a path.
    pub async fn open(
        &self,
        path: &str,
        options: CallOptions,
    ) -> Result<(Requests, Responses), Status> {
        let request = self.request(path, options)?;
        let mut ready = self.requests.clone().ready().await.map_err(status_of)?;
        let (response, stream) = ready.send_request(request, false).map_err(status_of)?;
        let requests = Requests {
            outgoing: Outgoing::new(stream),
            max_message: self.max_message,
        };
        Ok((requests, Responses::new(response, self.max_message)))
    }

    fn request(&self, path: &str, options: CallOptions) -> Result<Request<()>, Status> {
        let path = PathAndQuery::try_from(path).map_err(|_| {
            Status::internal("the method's path is not valid: use /package.Service/Method")
        })?;
        let mut uri = http::uri::Parts::default();
        // HTTP/2 requires a scheme; gRPC ignores it.
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path);
        let uri = Uri::from_parts(uri)
            .map_err(|error| Status::internal(format!("the call has no URI: {error}")))?;

        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        *headers = options.metadata;
        headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, AGENT);
        headers.remove(GRPC_TIMEOUT);
        if let Some(timeout) = options.timeout
            && let Ok(value) = HeaderValue::from_str(&timeout::format(timeout))
        {
            headers.insert(GRPC_TIMEOUT, value);
        }
        Ok(request)
    }
}

/// The request messages of a call. Dropped without [`finish`](Self::finish), the server waits for
/// more until the responses are dropped as well.
#[derive(Debug)]
pub struct Requests {
    outgoing: Outgoing,
    max_message: usize,
}

impl Requests {
    /// Sends a message. Completes when h2 has taken it, which waits for a slow server.
    ///
    /// # Errors
    ///
    /// `CANCELLED` if the call has ended: its responses have the status. `RESOURCE_EXHAUSTED` for a
    /// message over [`Limits::max_message`].
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), Status> {
        let frame = message::encode(message, self.max_message)?;
        self.flush().await?;
        self.outgoing.start_send(frame);
        self.flush().await
    }

    /// Half-closes the call: there are no more messages.
    pub async fn finish(mut self) {
        if self.flush().await.is_ok() {
            let _: Result<(), StreamClosed> = self.outgoing.end();
        }
    }

    async fn flush(&mut self) -> Result<(), Status> {
        poll_fn(|cx| self.outgoing.poll_flush(cx))
            .await
            .map_err(|StreamClosed| {
                Status::new(
                    Code::Cancelled,
                    "the call has ended: its responses have the status",
                )
            })
    }
}

/// The status of a call after an HTTP/2 error (PROTOCOL-HTTP2, "Errors"); `UNAVAILABLE` for a lost
/// connection. `INTERNAL_ERROR` is such a loss too: nghttpx resets the stream with it when it loses
/// the server behind it.
pub(in crate::grpc) fn status_of(error: h2::Error) -> Status {
    let code = match error.reason() {
        Some(Reason::INTERNAL_ERROR) if error.is_reset() => Code::Unavailable,
        Some(reason) if error.is_reset() => code_from_reset(reason.into()),
        Some(_) | None => Code::Unavailable,
    };
    Status::new(code, format!("the call broke off: {error}"))
}
