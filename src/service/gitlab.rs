//! `gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper`, the contract of GitLab's own wrapper.
//!
//! Owns the translation between its messages and the supervisor's facts. It never signals and keeps
//! no state of its own: the control API shows every request that comes in here.

use crate::gitlab::failure_reason;
use crate::grpc::rules::status::Status;
use crate::grpc::server::router::{Context, Router};
use crate::lifecycle::{DrainRequest, State};
use crate::net::peer::Peer;
use crate::pb::gitlab_com::gitlab_runner::runner_wrapper as pb;
use crate::service::{audit, convert, webhook};
use crate::supervisor::{Handle, ProcessFacts, RequestError};
use crate::webhook::WebhookRequest;

const CHECK_STATUS: &str = "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/CheckStatus";
const GRACEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown";
const FORCEFUL: &str =
    "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitForcefulShutdown";

/// Adds the three methods.
pub(super) fn add(router: &mut Router, handle: &Handle) {
    let handle_ = handle.clone();
    router.unary(
        CHECK_STATUS,
        move |context, _request: pb::CheckStatusRequest| {
            let facts = handle_.facts();
            tracing::debug!(peer = %context.peer, method = CHECK_STATUS, "state read");
            let response = pb::CheckStatusResponse {
                status: status(facts.state).into(),
                failure_reason: reason(&facts),
            };
            async move { Ok(response) }
        },
    );
    let handle_ = handle.clone();
    router.unary(GRACEFUL, move |context, request| {
        init_graceful_shutdown(handle_.clone(), context, request)
    });
    let handle = handle.clone();
    router.unary(
        FORCEFUL,
        move |context, _request: pb::InitForcefulShutdownRequest| {
            init_forceful_shutdown(handle.clone(), context)
        },
    );
}

async fn init_graceful_shutdown(
    handle: Handle,
    context: Context,
    request: pb::InitGracefulShutdownRequest,
) -> Result<pb::InitGracefulShutdownResponse, Status> {
    let result = match callback(&context.peer, &request) {
        Ok(callback) => {
            let done = handle.shut_down(DrainRequest::default(), callback).await;
            done.map_err(|error| convert::refused(&error))
        }
        Err(status) => Err(status),
    };
    audit::called(&context, &result);
    let facts = result?;
    Ok(pb::InitGracefulShutdownResponse {
        status: status(facts.state).into(),
        failure_reason: reason(&facts),
    })
}

async fn init_forceful_shutdown(
    handle: Handle,
    context: Context,
) -> Result<pb::InitForcefulShutdownResponse, Status> {
    let result = handle.abort().await;
    let result = result.map_err(|error: RequestError| convert::refused(&error));
    audit::called(&context, &result);
    let facts = result?;
    Ok(pb::InitForcefulShutdownResponse {
        status: status(facts.state).into(),
        failure_reason: reason(&facts),
    })
}

/// As the clients of this contract mean it, a callback without a URL is none, and one without a
/// method is a GET.
fn callback(
    peer: &Peer,
    request: &pb::InitGracefulShutdownRequest,
) -> Result<Option<WebhookRequest>, Status> {
    match &request.shutdown_callback {
        Some(callback) if !callback.url.is_empty() => {
            let headers = &callback.headers;
            let headers = headers.iter().map(|(name, value)| (&**name, &**value));
            webhook::callback(peer, &callback.url, &callback.method, headers).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

fn status(state: State) -> pb::Status {
    match state {
        State::Running => pb::Status::Running,
        State::ShuttingDown => pb::Status::InShutdown,
        State::Gone => pb::Status::Stopped,
    }
}

fn reason(facts: &ProcessFacts) -> String {
    facts.exit.map(failure_reason).unwrap_or_default()
}
