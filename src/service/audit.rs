//! The audit log: one line for every call that changes something, and for every refusal.
//!
//! Owns what these lines say: who, from where, what, and what came of it. It never says a secret, and it
//! never decides. The messages of all of them begin with `audit`.

use crate::grpc::rules::status::Status;
use crate::grpc::server::call_policy::PendingCall;
use crate::grpc::server::router::Context;
use crate::net::peer::Peer;

/// A call that may change something has been carried out, or its request was wrong.
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

/// A call may not begin. `held_back` refusals before it were not logged.
pub(super) fn refused(asked: &PendingCall<'_>, listener: &str, status: &Status, held_back: u64) {
    tracing::warn!(
        peer = %asked.peer, listener, method = shortened(asked.path),
        outcome = ?status.code, reason = %status.message, held_back, "audit: call refused"
    );
}

/// A connection may not begin. `held_back` refusals before it were not logged.
pub(super) fn turned_away(peer: &Peer, listener: &str, reason: &str, held_back: u64) {
    tracing::warn!(
        %peer, listener, outcome = "closed", reason, held_back,
        "audit: connection refused"
    );
}

/// A path that no method has can be as long as the header list.
fn shortened(path: &str) -> &str {
    path.char_indices()
        .nth(128)
        .map_or(path, |(end, _)| path.get(..end).unwrap_or(path))
}
