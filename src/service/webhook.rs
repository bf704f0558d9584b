//! From the fields of a message to a webhook.
//!
//! Owns the status for an invalid one. It never registers a webhook: the supervisor does.

use crate::grpc::rules::status::{Code, Status};
use crate::net::peer::Peer;
use crate::webhook::WebhookRequest;
use crate::webhook::method::Method;
#[cfg(feature = "webhooks")]
use crate::webhook::policy::Origin;

/// The webhook of a peer's request. An empty method is the service's default.
#[cfg(feature = "webhooks")]
pub(super) fn parse<'a>(
    peer: &Peer,
    url: &str,
    method: &str,
    default: Method,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let method = if method.is_empty() {
        Ok(default)
    } else {
        method.parse()
    };
    let webhook = match method {
        Ok(method) => WebhookRequest::new(url, method, headers),
        Err(error) => Err(crate::webhook::request::InvalidWebhook::from(error)),
    };
    let origin = match peer {
        Peer::Unix { .. } => Origin::Local,
        Peer::Tcp(_) | Peer::Tls { .. } => Origin::Network,
    };
    match webhook {
        Ok(webhook) => Ok(webhook.with_origin(origin)),
        Err(error) => {
            let message = format!("{error}; nothing was signalled");
            Err(Status::new(Code::InvalidArgument, message))
        }
    }
}

/// This build has no webhooks.
#[cfg(not(feature = "webhooks"))]
pub(super) fn parse<'a>(
    _peer: &Peer,
    _url: &str,
    _method: &str,
    _default: Method,
    _headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let message =
        "this build has no webhooks; nothing was signalled; repeat the request without one";
    Err(Status::new(Code::FailedPrecondition, message))
}
