//! The receiving half of a client's call.
//!
//! Owns the response head, the messages and the status. It never decides what to do about a status.

use std::future::poll_fn;

use h2::client::ResponseFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use prost::Message;

use super::status_of;
use crate::grpc::incoming::{Incoming, ReceiveError};
use crate::grpc::rules::metadata::is_grpc;
use crate::grpc::rules::status::{Code, Status, code_from_http_status};

/// The response messages of a call, and its status.
#[derive(Debug)]
pub struct Responses {
    state: ResponseState,
    headers: HeaderMap,
    trailers: HeaderMap,
    max_message: usize,
}

#[derive(Debug)]
enum ResponseState {
    /// The response head has not come yet.
    Waiting(ResponseFuture),
    /// Messages and the status may come.
    Reading(Incoming),
    /// The call has ended.
    Ended(Status),
}

impl Responses {
    pub(super) fn new(response: ResponseFuture, max_message: usize) -> Self {
        Self {
            state: ResponseState::Waiting(response),
            headers: HeaderMap::new(),
            trailers: HeaderMap::new(),
            max_message,
        }
    }

    /// The next message; `None` once the call has ended with `OK`. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    ///
    /// The status of the call, if it is not `OK`; also at each later call. `INTERNAL` for bytes
    /// that are not a message, `RESOURCE_EXHAUSTED` for a message over
    /// [`Limits::max_message`](crate::grpc::Limits).
    pub async fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        self.headers().await;
        let received = match &mut self.state {
            // Never taken: the head has come.
            ResponseState::Waiting(_) => return Ok(None),
            ResponseState::Ended(status) => return to_result(status),
            ResponseState::Reading(incoming) => match poll_fn(|cx| incoming.poll_message(cx)).await
            {
                Ok(Some(bytes)) => match M::decode(bytes) {
                    Ok(message) => return Ok(Some(message)),
                    Err(error) => Err(Status::internal(format!(
                        "the response is no message: {error}"
                    ))),
                },
                Ok(None) => incoming.trailers().await.map_err(status_of),
                Err(ReceiveError::Framing(error)) => Err(error.into()),
                Err(ReceiveError::Stream(error)) => Err(status_of(error)),
            },
        };
        let status = match received {
            Ok(trailers) => {
                self.trailers = trailers.unwrap_or_default();
                Status::read_from(&self.trailers).unwrap_or_else(|| {
                    Status::new(Code::Unknown, "the server ended the call without a status")
                })
            }
            Err(status) => status,
        };
        let result = to_result(&status);
        self.state = ResponseState::Ended(status);
        result
    }

    /// The message of a call that answers with exactly one.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), and `UNIMPLEMENTED` for none or several, as the status code
    /// document says.
    pub async fn receive_only<M: Message + Default>(&mut self) -> Result<M, Status> {
        let only = self.receive().await?.ok_or_else(|| {
            Status::unimplemented("the method answers with one message: none was sent")
        })?;
        match self.receive::<M>().await? {
            None => Ok(only),
            Some(_) => Err(Status::unimplemented(
                "the method answers with one message: several were sent",
            )),
        }
    }

    /// Waits for the response head and returns its headers; empty if the call failed before.
    pub async fn headers(&mut self) -> &HeaderMap {
        if let ResponseState::Waiting(response) = &mut self.state {
            self.state = match response.await {
                Err(error) => ResponseState::Ended(status_of(error)),
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    self.headers = head.headers;
                    match head_status(head.status, &self.headers, body.is_end_stream()) {
                        None => ResponseState::Reading(Incoming::new(body, self.max_message)),
                        Some(status) => {
                            self.trailers.clone_from(&self.headers);
                            ResponseState::Ended(status)
                        }
                    }
                }
            };
        }
        &self.headers
    }

    /// The trailers, once `receive` has returned the end of the call. In a Trailers-Only answer
    /// they are the headers.
    #[cfg(any(test, feature = "unstable-internals"))]
    #[must_use]
    pub const fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}

/// The status of a response head that no messages follow, or that is not gRPC.
fn head_status(http: StatusCode, headers: &HeaderMap, ended: bool) -> Option<Status> {
    let status = Status::read_from(headers);
    let is_grpc = headers.get(CONTENT_TYPE).is_some_and(is_grpc);
    match status {
        Some(status) if ended || http != StatusCode::OK => Some(status),
        Some(_) | None if http != StatusCode::OK => Some(Status::new(
            code_from_http_status(http.as_u16()),
            format!("the server answered with HTTP status {http}"),
        )),
        Some(_) | None if !is_grpc => Some(Status::new(
            Code::Unknown,
            "the server's answer is not gRPC",
        )),
        Some(_) | None if ended => Some(Status::new(
            Code::Unknown,
            "the server ended the call without a status",
        )),
        Some(_) | None => None,
    }
}

fn to_result<M>(status: &Status) -> Result<Option<M>, Status> {
    if status.code == Code::Ok {
        Ok(None)
    } else {
        Err(status.clone())
    }
}
