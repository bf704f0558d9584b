//! `process_wrapper.v1.ProcessWrapper`, the control API.
//!
//! Owns the validation of its requests and its log lines. It never signals: the supervisor does.

use std::pin::pin;

use crate::grpc::rules::status::Status;
use crate::grpc::server::router::{Context, Router};
use crate::lifecycle::{DrainRequest, State};
use crate::net::peer::Peer;
use crate::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse,
};
use crate::service::{audit, convert, webhook};
use crate::supervisor::Handle;
use crate::webhook::WebhookRequest;

const INITIATE: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";
const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

/// Adds both methods.
pub(super) fn add(router: &mut Router, handle: &Handle) {
    let handle_ = handle.clone();
    router.unary(INITIATE, move |context, request| {
        initiate_graceful_shutdown(handle_.clone(), context, request)
    });
    let handle = handle.clone();
    router.unary(GET_STATE, move |context, request| {
        get_state(handle.clone(), context, request)
    });
}

async fn initiate_graceful_shutdown(
    handle: Handle,
    context: Context,
    request: InitiateGracefulShutdownRequest,
) -> Result<InitiateGracefulShutdownResponse, Status> {
    let result = match validate(&context.peer, &request) {
        Ok((request, webhook)) => {
            let done = handle.shut_down(request, webhook).await;
            done.map_err(|error| convert::refused(&error))
        }
        Err(status) => Err(status),
    };
    audit::called(&context, &result);
    Ok(InitiateGracefulShutdownResponse {
        process: Some(convert::process(&result?)),
    })
}

/// Everything about the request is checked before anything happens.
fn validate(
    peer: &Peer,
    request: &InitiateGracefulShutdownRequest,
) -> Result<(DrainRequest, Option<WebhookRequest>), Status> {
    let drain = DrainRequest {
        force_after: convert::duration("force_after", request.force_after.as_ref())?,
        kill_after: convert::duration("kill_after", request.kill_after.as_ref())?,
        repeat_signal: request.repeat_signal,
    };
    let wanted = request.webhook.as_ref().map(|webhook| {
        let headers = &webhook.headers;
        let headers = headers.iter().map(|(name, value)| (&**name, &**value));
        webhook::parse(peer, &webhook.url, &webhook.method, headers)
    });
    Ok((drain, wanted.transpose()?))
}

async fn get_state(
    handle: Handle,
    context: Context,
    request: GetStateRequest,
) -> Result<GetStateResponse, Status> {
    let state = convert::wanted_state(request.wait_until)?;
    tracing::debug!(peer = %context.peer, method = GET_STATE, wait_until = request.wait_until, "state read");
    // The call may wait for days, and needs no headers for it.
    let waits = context.waits.clone();
    drop((context.metadata, context.peer));
    let reached = pin!(handle.wait_until(state.unwrap_or(State::Running)));
    let facts = waits.until(reached).await?;
    Ok(GetStateResponse {
        process: Some(convert::process(&facts)),
    })
}
