//! The audit log: one line for every call that may change something, and for every refusal.
//!
//! Owns the lines: peer, listener, method, outcome. Each message begins with `audit`. It never logs
//! a secret, and it never decides.

use crate::grpc::rules::head::truncate_path;
use crate::grpc::rules::status::Status;
use crate::grpc::server::call_policy::PendingCall;
use crate::grpc::server::router::Context;
use crate::log::HeldBack;
use crate::net::peer::Peer;

/// A call that may change something has ended.
pub(super) fn called<T>(context: &Context, result: &Result<T, Status>) {
    let peer = &context.peer;
    let method = context.method;
    match result {
        Ok(_) => tracing::info!(%peer, method, outcome = "done", "audit: called"),
        Err(status) => tracing::warn!(
            %peer, method, outcome = ?status.code, reason = %status.message, "audit: called"
        ),
    }
}

/// A call was refused. `held_back` refusals before it were not logged.
pub(super) fn call_refused(
    call: &PendingCall<'_>,
    listener: &str,
    status: &Status,
    held_back: &HeldBack,
) {
    tracing::warn!(
        peer = %call.peer, listener, method = truncate_path(call.path),
        outcome = ?status.code, reason = %status.message, held_back = held_back.count(),
        "audit: call refused"
    );
}

/// A connection was refused. `held_back` refusals before it were not logged.
pub(super) fn connection_refused(peer: &Peer, listener: &str, reason: &str, held_back: &HeldBack) {
    tracing::warn!(
        %peer, listener, outcome = "closed", reason, held_back = held_back.count(),
        "audit: connection refused"
    );
}
