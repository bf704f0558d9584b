//! The client: calls over one connection.
//!
//! Owns the request head, and the reading of a response head and of what went wrong into a status. It
//! drives nothing: the caller polls the connection on whatever executor it has. It never connects, never
//! reconnects and never tries again; a deadline is told to the server and not enforced here.

mod pings;
mod responses;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request};
use prost::Message;
use smol::future::or;
use smol::io::{AsyncRead, AsyncWrite};

use crate::grpc::outgoing::{Closed, Outgoing};
use crate::grpc::rules::limits::Limits;
use crate::grpc::rules::message;
use crate::grpc::rules::metadata::APPLICATION_GRPC;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::rules::timeout::{self, GRPC_TIMEOUT};
use crate::net::budget::Budgeted;

pub use pings::Pings;
pub use responses::Responses;

/// PROTOCOL-HTTP2 asks for `grpc-`, a language and a version.
const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "grpc-rust-process-wrapper/",
    env!("CARGO_PKG_VERSION")
));

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The name of the server is no authority of a URI.
    #[error("`{0}` cannot be the authority of a call: use a host name or an address")]
    Authority(String),
    /// HTTP/2 could not begin, or ended with an error.
    #[error("the HTTP/2 connection failed: {0}")]
    Http2(#[from] h2::Error),
}

/// What a call can be given besides its messages.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// How long the server may take. It ends the call then; if it has died, nothing here does.
    pub timeout: Option<Duration>,
    /// Headers to send along. Those of the protocol are overwritten.
    pub metadata: HeaderMap,
}

/// Makes calls on a connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Channel {
    requests: SendRequest<Bytes>,
    authority: Authority,
    max_message: usize,
}

/// The connection under a [`Channel`]. Nothing happens on it unless it is polled. It completes when the
/// server closes it, or once all channels and calls are gone.
#[must_use = "calls make progress only while the connection is polled"]
#[derive(Debug)]
pub struct Connection<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    inner: h2::client::Connection<Budgeted<IO>, Bytes>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// What sends PINGs on this connection; there is one for each.
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

/// Starts HTTP/2 on `io`. `authority` is what the server is called, such as `localhost`.
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
        .handshake(Budgeted::new(io, limits.read_budget))
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
    /// The status of the call, if it is not `OK`. What never became a status of the server's is turned
    /// into one as the documents of gRPC say: `UNAVAILABLE` for a lost connection, for example.
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
        // A server may answer before it has read everything. Then its answer counts, and neither a
        // stream that has ended nor one whose window stays shut is a failure here.
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

    /// Starts a call that takes and answers with any number of messages. It is cancelled when both
    /// halves are dropped before its end.
    ///
    /// # Errors
    ///
    /// `UNAVAILABLE` if the connection takes no more calls, `INTERNAL` if `path` is none.
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
            Status::internal("the method's path is none: use /package.Service/Method")
        })?;
        let mut uri = http::uri::Parts::default();
        // gRPC does not look at the scheme, but HTTP/2 wants one.
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

/// The request messages of a call. Dropped without [`finish`](Self::finish), it leaves the server waiting
/// for more, until the responses are dropped as well.
#[derive(Debug)]
pub struct Requests {
    outgoing: Outgoing,
    max_message: usize,
}

impl Requests {
    /// Sends a message. Completes when h2 has taken it, which a server that does not read holds up.
    ///
    /// # Errors
    ///
    /// `CANCELLED` if the call has ended: its responses hold the status. `RESOURCE_EXHAUSTED` for a
    /// message over [`Limits::max_message`].
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), Status> {
        let frame = message::encode(message, self.max_message)?;
        self.flush().await?;
        self.outgoing.put(frame);
        self.flush().await
    }

    /// Says that there are no more messages. If the call has ended, its responses say how.
    pub async fn finish(mut self) {
        if self.flush().await.is_ok() {
            let _: Result<(), Closed> = self.outgoing.end();
        }
    }

    async fn flush(&mut self) -> Result<(), Status> {
        poll_fn(|cx| self.outgoing.poll_flush(cx))
            .await
            .map_err(|Closed| {
                Status::new(
                    Code::Cancelled,
                    "the call has ended: its responses hold the status",
                )
            })
    }
}

/// What an error of HTTP/2 means for a call (PROTOCOL-HTTP2, "Errors"; the rest is a lost connection).
pub(in crate::grpc) fn status_of(error: h2::Error) -> Status {
    let code = match error.reason() {
        Some(reason) if error.is_reset() => Code::from_reset(reason.into()),
        Some(_) | None => Code::Unavailable,
    };
    Status::new(code, format!("the call broke off: {error}"))
}
