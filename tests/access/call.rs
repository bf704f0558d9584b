//! Calls that never send their message: the server decides each answer without it.

use process_wrapper::address::Address;
use process_wrapper::grpc::client::{CallOptions, Channel, handshake};
use process_wrapper::grpc::{Code, Limits, Status};
use process_wrapper::net::connect::connect;
use process_wrapper::net::stream::Stream;
use smol::future::{FutureExt as _, or, zip};

use crate::support::DEADLINE;

pub(crate) const INITIATE: &str = crate::support::client::SHUTDOWN;
pub(crate) const GET_STATE: &str = crate::support::client::GET_STATE;
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";
pub(crate) const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is no connection, or it is closed without a byte.
    Closed,
    /// Refused without its message.
    Refused(Code),
    /// The server wants the message.
    Admitted,
}

/// Opens a call on a connection and sends no message. Where the call is expected to be refused its
/// stream stays open, so that the refusal did not wait for a message. Otherwise the stream is
/// half-closed, and only a server that wanted a message reports that none came: so no call has an
/// effect.
pub(crate) fn probe_on(
    stream: Stream,
    path: &str,
    options: CallOptions,
    expected: Outcome,
) -> Outcome {
    let stays_open = matches!(expected, Outcome::Refused(_));
    let outcomes = on_connection(stream, path, vec![options], stays_open);
    outcomes.first().copied().unwrap_or(Outcome::Closed)
}

/// Calls one after the other on one connection, all of which are expected to be refused.
pub(crate) fn probe_many(stream: Stream, path: &str, calls: Vec<CallOptions>) -> Vec<Outcome> {
    on_connection(stream, path, calls, true)
}

/// Makes a call that is refused, and meanwhile others one after the other on the same connection,
/// all of which are expected to be admitted; the outcomes in this order.
pub(crate) fn probe_beside(
    stream: Stream,
    path: &str,
    refused: CallOptions,
    others: Vec<CallOptions>,
) -> (Outcome, Vec<Outcome>) {
    connected(stream, path, async |channel| match channel {
        None => (Outcome::Closed, vec![Outcome::Closed; others.len()]),
        Some(channel) => {
            let refused = call(channel, path, refused, true);
            zip(refused, in_turn(channel, path, others, false)).await
        }
    })
}

fn on_connection(
    stream: Stream,
    path: &str,
    calls: Vec<CallOptions>,
    stay_open: bool,
) -> Vec<Outcome> {
    connected(stream, path, async |channel| match channel {
        None => vec![Outcome::Closed; calls.len()],
        Some(channel) => in_turn(channel, path, calls, stay_open).await,
    })
}

/// Runs calls on a new connection, within a deadline; there is no channel if it is closed.
fn connected<T>(stream: Stream, path: &str, calls: impl AsyncFnOnce(Option<&Channel>) -> T) -> T {
    let work = async {
        let limits = Limits::default();
        let started = handshake(stream, "localhost", &limits).await;
        let Ok((channel, connection)) = started else {
            return calls(None).await;
        };
        let driven = async {
            let _ = connection.await;
            std::future::pending().await
        };
        or(calls(Some(&channel)), driven).await
    };
    let deadline = async {
        smol::Timer::after(DEADLINE).await;
        panic!("{path}: neither refused nor admitted")
    };
    smol::block_on(work.or(deadline))
}

async fn in_turn(
    channel: &Channel,
    path: &str,
    calls: Vec<CallOptions>,
    stay_open: bool,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for options in calls {
        outcomes.push(call(channel, path, options, stay_open).await);
    }
    outcomes
}

async fn call(channel: &Channel, path: &str, options: CallOptions, stay_open: bool) -> Outcome {
    let (requests, mut responses) = match channel.open(path, options).await {
        Ok(opened) => opened,
        Err(status) => return outcome(status),
    };
    let _open = if stay_open {
        Some(requests)
    } else {
        requests.finish().await;
        None
    };
    match responses.receive::<()>().await {
        Ok(_) => Outcome::Admitted,
        Err(status) => outcome(status),
    }
}

fn outcome(status: Status) -> Outcome {
    let closed = [Code::Unavailable, Code::Cancelled, Code::Unknown];
    if closed.contains(&status.code) {
        Outcome::Closed
    } else if status.message.contains("none was sent") {
        Outcome::Admitted
    } else {
        Outcome::Refused(status.code)
    }
}

/// The same on a new connection.
pub(crate) fn probe(address: &str, path: &str, expected: Outcome) -> Outcome {
    let address: Address = address.parse().unwrap();
    match smol::block_on(connect(&address)) {
        Ok(stream) => probe_on(stream, path, CallOptions::default(), expected),
        Err(_) => Outcome::Closed,
    }
}
