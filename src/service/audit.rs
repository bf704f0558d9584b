//! The audit log: one line for every call that changes something, and for every refusal.
//!
//! Owns what these lines say: who, from where, what, and what came of it. It never says a secret, and it
//! never decides.

use crate::grpc::router::Context;
use crate::grpc::status::Status;
use crate::net::peer::Peer;

/// A call that may change something has been carried out, or its request was wrong.
pub(super) fn called<T>(context: &Context, result: &Result<T, Status>) {
    let peer = &context.peer;
    let method = context.method;
    match result {
        Ok(_) => tracing::info!(audit = true, %peer, method, outcome = "done", "call"),
        Err(status) => tracing::warn!(
            audit = true, %peer, method, outcome = ?status.code, reason = %status.message, "call"
        ),
    }
}

/// A call that may not begin.
pub(super) fn refused(peer: &Peer, listener: &str, path: &str, status: &Status) {
    tracing::warn!(
        audit = true, %peer, listener, method = shortened(path), outcome = ?status.code,
        reason = %status.message, "call refused"
    );
}

/// A path that no method has can be as long as the header list.
fn shortened(path: &str) -> &str {
    path.char_indices()
        .nth(128)
        .map_or(path, |(end, _)| path.get(..end).unwrap_or(path))
}
