//! One call, with as many connections as it takes.
//!
//! Owns connecting, trying again, and noticing that a peer is silently gone or that the address has
//! another process. It never decides what any other answer means. Nothing is spawned: each call
//! drives its own connection, so any executor will do.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future::or;
use http::HeaderMap;
use prost::Message;

use super::attempt_error::{AttemptCause, AttemptError};
use super::error::Error;
use super::identity::Identity;
use super::process::Process;
use super::retry::Retry;
use crate::address::Address;
use crate::clock::{Clock, MonotonicClock};
use crate::grpc::Limits;
use crate::grpc::client::{self as grpc, CallOptions, Channel, Connection, Pings};
use crate::grpc::rules::status::Code;
use crate::net::connect;
use crate::net::stream::Stream;
use crate::pb::process_wrapper::v1::{GetStateRequest, GetStateResponse};

/// The path of the call that reads the state.
pub(super) const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

/// How it is noticed that a peer has silently gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeepAlive {
    /// How often a peer is asked whether it is still there while a call waits.
    pub(super) interval: Duration,
    /// How long it may take to answer.
    pub(super) timeout: Duration,
}

impl KeepAlive {
    /// Middleboxes forget idle connections after minutes; the timeout is that of gRPC's own
    /// clients.
    pub(super) const DEFAULT: Self = Self {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(20),
    };
}

/// Silence for this long says something about the peer.
const BRIEF: Duration = Duration::from_millis(100);

/// The address, the identity and the timeouts of calls.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) address: Address,
    pub(super) connect_timeout: Duration,
    pub(super) keep_alive: KeepAlive,
    pub(super) identity: Identity,
}

/// When an answer must come.
#[derive(Debug, Clone, Copy)]
pub(super) enum AnswerTime {
    /// At most as long as connecting may take, and not after this time.
    Prompt(Option<Instant>),
    /// Any time, but not after this one.
    Waiting(Option<Instant>),
}

impl AnswerTime {
    const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Prompt(deadline) | Self::Waiting(deadline) => deadline,
        }
    }
}

/// Why an attempt has no answer.
pub(super) enum Failure {
    /// Another attempt may help. The connection was established this long before.
    Retryable(AttemptCause, Option<Duration>),
    Final(Error),
}

/// A connection over which the peer has answered once.
struct Established {
    channel: Channel,
    connection: Connection<Stream>,
    pings: Pings,
    since: Instant,
    /// What every call on it carries.
    metadata: HeaderMap,
}

impl Calls {
    /// Calls a method that answers at once and may be called again if the connection is lost.
    pub(super) async fn call<Q, A>(
        &self,
        path: &str,
        request: &Q,
        deadline: Option<Instant>,
    ) -> Result<A, Error>
    where
        Q: Message,
        A: Message + Default,
    {
        self.call_about(None, path, request, deadline).await
    }

    /// The same, but the request is sent only to the wrapper of this process.
    pub(super) async fn call_about<Q, A>(
        &self,
        meant: Option<&Process>,
        path: &str,
        request: &Q,
        deadline: Option<Instant>,
    ) -> Result<A, Error>
    where
        Q: Message,
        A: Message + Default,
    {
        let mut attempts = self.attempts();
        loop {
            let answer_time = AnswerTime::Prompt(deadline);
            let until = attempts.until();
            let attempt = self.attempt(meant, path, request, answer_time, until, || {});
            match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => attempts.pause_after(failure, deadline).await?,
            }
        }
    }

    /// The count of the attempts at one thing.
    pub(super) fn attempts(&self) -> CallAttempts<'_> {
        CallAttempts {
            calls: self,
            start: Instant::now(),
            began: Instant::now(),
            retry: Retry::new(self.connect_timeout),
            earlier: None,
        }
    }

    /// One attempt, on a connection of its own, which must be established by `until`.
    /// `on_connected` is called then. The request is sent before the next await, unless a process
    /// is `meant`: then the same connection is asked for its process first, because a wrapper never
    /// has another.
    pub(super) async fn attempt<Q, A>(
        &self,
        meant: Option<&Process>,
        path: &str,
        request: &Q,
        answer_time: AnswerTime,
        until: Option<Instant>,
        on_connected: impl FnOnce(),
    ) -> Result<A, Failure>
    where
        Q: Message,
        A: Message + Default,
    {
        let prompt = earliest(until, answer_time.deadline());
        let Some(established) = within(prompt, self.establish()).await else {
            return Err(Failure::Retryable(AttemptCause::NoAnswer, None));
        };
        let Established {
            channel,
            connection,
            pings,
            since,
            metadata,
        } = established.map_err(|cause| Failure::Retryable(cause, None))?;
        on_connected();
        let end = match answer_time {
            AnswerTime::Prompt(_) => prompt,
            AnswerTime::Waiting(deadline) => deadline,
        };
        let options = CallOptions {
            timeout: end.map(|end| end.saturating_duration_since(Instant::now())),
            metadata,
        };
        let held = || Some(since.elapsed());
        let answer = within(end, async {
            let answer = async {
                if let Some(meant) = meant {
                    let state = GetStateRequest::default();
                    match channel.unary(GET_STATE, &state, options.clone()).await {
                        Ok(answer) => {
                            if let Some(error) = replaced(meant, answer) {
                                return Err(Failure::Final(error));
                            }
                        }
                        Err(status) => return Ok(Err(status)),
                    }
                }
                Ok(channel.unary(path, request, options).await)
            };
            let lost = async {
                let cause = silence(pings, self.keep_alive).await;
                Err(Failure::Retryable(cause, held()))
            };
            // The end of the connection is no answer: the call learns of it and says what it was.
            let driven = async {
                let _: Result<(), grpc::GrpcError> = connection.await;
                std::future::pending().await
            };
            or(or(answer, lost), driven).await
        });
        match answer.await {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(status))) if is_transient(status.code) => Err(Failure::Retryable(
                AttemptCause::Unavailable(status),
                held(),
            )),
            // Our own limit, kept by the server.
            Some(Ok(Err(status))) if status.code == Code::DeadlineExceeded && end.is_some() => {
                Err(if end == answer_time.deadline() {
                    Failure::Final(Error::TimedOut { last: None })
                } else {
                    Failure::Retryable(AttemptCause::NoAnswer, None)
                })
            }
            Some(Ok(Err(status))) => Err(Failure::Final(status.into())),
            Some(Err(failure)) => Err(failure),
            None if end == answer_time.deadline() => {
                Err(Failure::Final(Error::TimedOut { last: None }))
            }
            None => Err(Failure::Retryable(AttemptCause::NoAnswer, None)),
        }
    }

    /// Connects, and waits for the peer's first word: a socket may take connections for a process
    /// that is stopped.
    async fn establish(&self) -> Result<Established, AttemptCause> {
        let identity = self.identity.load().await.map_err(AttemptCause::Thread)??;
        let stream = connect::connect(&self.address).await?;
        let tls = identity.uses_tls(&self.address);
        let stream = identity.secure(&self.address, stream).await?;
        let begun = async {
            let (channel, mut connection) =
                grpc::handshake(stream, &self.authority(), &Limits::default()).await?;
            let mut pings = connection.pings().ok_or(AttemptCause::NoAnswer)?;
            let driven = async {
                match pin!(&mut connection).await {
                    Ok(()) => Err(AttemptCause::Closed),
                    Err(error) => Err(error.into()),
                }
            };
            let answered = async { pings.round_trip().await.map_err(|_| AttemptCause::Closed) };
            or(driven, answered).await?;
            Ok((channel, connection, pings))
        };
        let (channel, connection, pings) = begun.await.map_err(|cause: AttemptCause| match self
            .address
        {
            Address::Unix(_) => cause.on_unix(),
            Address::Tcp { .. } => cause.on_tcp(tls),
        })?;
        Ok(Established {
            channel,
            connection,
            pings,
            since: Instant::now(),
            metadata: identity.metadata,
        })
    }

    fn authority(&self) -> String {
        match &self.address {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

/// The attempts at one thing, and what came of them.
pub(super) struct CallAttempts<'a> {
    calls: &'a Calls,
    start: Instant,
    /// The start of the present attempt.
    began: Instant,
    retry: Retry,
    /// What came of the attempt before.
    earlier: Option<AttemptCause>,
}

impl CallAttempts<'_> {
    /// When the connection of the present attempt must stand.
    pub(super) fn until(&self) -> Option<Instant> {
        self.start.checked_add(self.retry.until())
    }

    /// Waits until it is time for the next attempt.
    ///
    /// # Errors
    /// What the failure means if there is to be none.
    pub(super) async fn pause_after(
        &mut self,
        failure: Failure,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let (cause, held) = match failure {
            Failure::Final(error) => return Err(error),
            // The last attempt is cut short: what came of the one before says more.
            Failure::Retryable(AttemptCause::NoAnswer, None) if self.began.elapsed() < BRIEF => {
                (self.earlier.take().unwrap_or(AttemptCause::NoAnswer), None)
            }
            Failure::Retryable(cause, held) => (cause, held),
        };
        let pause = self
            .retry
            .failed(self.start.elapsed(), held, cause.is_refusal())
            .filter(|_| !cause.is_permanent());
        let next = pause.and_then(|pause| Instant::now().checked_add(pause));
        match next {
            Some(next) if deadline.is_none_or(|deadline| next < deadline) => {
                self.earlier = Some(cause);
                MonotonicClock.sleep_until(next).await;
                self.began = Instant::now();
                Ok(())
            }
            Some(_) | None => Err(Error::Unreachable {
                address: self.calls.address.clone(),
                cause: AttemptError::new(cause),
                attempts: self.retry.attempts(),
                tried_for: self.start.elapsed().saturating_sub(self.retry.since()),
                last: None,
            }),
        }
    }
}

/// The error unless an answer is about the process `meant`.
fn replaced(meant: &Process, answer: GetStateResponse) -> Option<Error> {
    match Process::try_from(answer.process) {
        Ok(now) if meant.is_same_as(&now) => None,
        Ok(now) => Some(Error::Replaced {
            before: Box::new(meant.clone()),
            now: Box::new(now),
        }),
        Err(malformed) => Some(malformed.into()),
    }
}

/// Completes when a PING is not answered in time.
async fn silence(mut pings: Pings, keep_alive: KeepAlive) -> AttemptCause {
    loop {
        MonotonicClock.sleep(keep_alive.interval).await;
        let limit = Instant::now().checked_add(keep_alive.timeout);
        match within(limit, pings.round_trip()).await {
            Some(Ok(())) => {}
            // The call learns of that too, and knows more.
            Some(Err(_)) => std::future::pending().await,
            None => return AttemptCause::NoAnswer,
        }
    }
}

/// Codes after which the same call may succeed. All that we call may be repeated.
fn is_transient(code: Code) -> bool {
    code == Code::Unavailable
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The result, or `None` if it has not come by `end`. Without an end it is waited for.
async fn within<F: Future>(end: Option<Instant>, future: F) -> Option<F::Output> {
    let passed = async {
        match end {
            Some(end) => MonotonicClock.sleep_until(end).await,
            None => std::future::pending().await,
        }
        None
    };
    or(async { Some(future.await) }, passed).await
}
