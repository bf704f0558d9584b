//! `gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper`, the contract of GitLab's own wrapper.
//!
//! Owns the translation between its messages and the supervisor's facts. It never signals and keeps no
//! state of its own: whatever is asked here is seen through the control API as well.

use crate::gitlab::failure_reason;
use crate::grpc::rules::status::{Code, Status};
use crate::grpc::server::router::{Context, Router};
use crate::lifecycle::{Deadlines, State};
use crate::pb::gitlab_com::gitlab_runner::runner_wrapper as pb;
use crate::process::child::SignalError;
use crate::service::{audit, convert, webhook};
use crate::supervisor::{Facts, Handle};
use crate::webhook::WebhookRequest;
use crate::webhook::method::Method;

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
        let result = init_graceful_shutdown(&handle_, &context, &request);
        async move { result }
    });
    let handle = handle.clone();
    router.unary(
        FORCEFUL,
        move |context, _request: pb::InitForcefulShutdownRequest| {
            let result = init_forceful_shutdown(&handle, &context);
            async move { result }
        },
    );
}

fn init_graceful_shutdown(
    handle: &Handle,
    context: &Context,
    request: &pb::InitGracefulShutdownRequest,
) -> Result<pb::InitGracefulShutdownResponse, Status> {
    let result = callback(request).and_then(|callback| {
        let done = handle.graceful_shutdown(Deadlines::default(), callback);
        done.map_err(|error| convert::refused(&error))
    });
    audit::called(context, &result);
    let facts = result?;
    Ok(pb::InitGracefulShutdownResponse {
        status: status(facts.state).into(),
        failure_reason: reason(&facts),
    })
}

fn init_forceful_shutdown(
    handle: &Handle,
    context: &Context,
) -> Result<pb::InitForcefulShutdownResponse, Status> {
    let result = handle
        .forceful_shutdown()
        .map_err(|error| not_signalled(&error));
    audit::called(context, &result);
    let facts = result?;
    Ok(pb::InitForcefulShutdownResponse {
        status: status(facts.state).into(),
        failure_reason: reason(&facts),
    })
}

/// A callback without a URL is none, and one without a method is a GET, as the clients of this contract
/// mean it.
fn callback(request: &pb::InitGracefulShutdownRequest) -> Result<Option<WebhookRequest>, Status> {
    match &request.shutdown_callback {
        Some(callback) if !callback.url.is_empty() => {
            let headers = &callback.headers;
            let headers = headers.iter().map(|(name, value)| (&**name, &**value));
            webhook::parse(&callback.url, &callback.method, Method::Get, headers).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

fn not_signalled(error: &SignalError) -> Status {
    Status::new(
        Code::Internal,
        format!("{error}; the request is kept and its deadlines hold"),
    )
}

fn status(state: State) -> pb::Status {
    match state {
        State::Running => pb::Status::Running,
        State::ShuttingDown => pb::Status::InShutdown,
        State::Gone => pb::Status::Stopped,
    }
}

fn reason(facts: &Facts) -> String {
    facts.exit.map(failure_reason).unwrap_or_default()
}
