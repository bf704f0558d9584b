//! `process_wrapper.v1.ProcessWrapper`, the control API.
//!
//! Owns the validation of its requests and its log lines. It never signals: the supervisor does.

use crate::grpc::router::{Context, Router};
use crate::grpc::status::{Code, Status};
use crate::lifecycle::{Deadlines, State};
use crate::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse,
};
use crate::service::{audit, convert};
use crate::supervisor::Handle;

const INITIATE: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";
const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";

/// Adds both methods.
pub(super) fn add(router: &mut Router, handle: &Handle) {
    let handle_ = handle.clone();
    router.unary(INITIATE, move |context, request| {
        let result = initiate_graceful_shutdown(&handle_, &context, &request);
        async move { result }
    });
    let handle = handle.clone();
    router.unary(GET_STATE, move |context, request| {
        get_state(handle.clone(), context, request)
    });
}

fn initiate_graceful_shutdown(
    handle: &Handle,
    context: &Context,
    request: &InitiateGracefulShutdownRequest,
) -> Result<InitiateGracefulShutdownResponse, Status> {
    let result = validate(request).and_then(|deadlines| {
        handle.graceful_shutdown(deadlines).map_err(|error| {
            let message = format!("{error}; the request is kept and its deadlines hold");
            Status::new(Code::Internal, message)
        })
    });
    audit::called(context, &result);
    Ok(InitiateGracefulShutdownResponse {
        process: Some(convert::process(&result?)),
    })
}

/// Everything about the request is checked before anything happens.
fn validate(request: &InitiateGracefulShutdownRequest) -> Result<Deadlines, Status> {
    if request.webhook.is_some() {
        return Err(Status::new(
            Code::Unimplemented,
            "webhooks are not supported by this version; nothing was signalled, ask again without one",
        ));
    }
    Ok(Deadlines {
        force_after: convert::duration("force_after", request.force_after.as_ref())?,
        kill_after: convert::duration("kill_after", request.kill_after.as_ref())?,
    })
}

async fn get_state(
    handle: Handle,
    context: Context,
    request: GetStateRequest,
) -> Result<GetStateResponse, Status> {
    let state = convert::wanted_state(request.wait_until)?;
    tracing::debug!(peer = %context.peer, method = GET_STATE, wait_until = request.wait_until, "state read");
    let facts = handle.wait_until(state.unwrap_or(State::Running)).await;
    Ok(GetStateResponse {
        process: Some(convert::process(&facts)),
    })
}
