//! From the fields of a message to a webhook.
//!
//! Owns the status for an invalid one. It never registers a webhook: the supervisor does.

use crate::grpc::rules::status::{Code, Status};
use crate::net::peer::Peer;
use crate::webhook::WebhookRequest;
#[cfg(feature = "webhooks")]
use crate::webhook::method::Method;
#[cfg(feature = "webhooks")]
use crate::webhook::policy::Origin;
#[cfg(feature = "webhooks")]
use crate::webhook::request::InvalidWebhook;

/// The webhook of a peer's request.
#[cfg(feature = "webhooks")]
pub(super) fn parse<'a>(
    peer: &Peer,
    url: &str,
    method: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let method = match method {
        "" => Ok(Method::Post),
        method => method.parse(),
    };
    let webhook = method.map_err(InvalidWebhook::from);
    let webhook = webhook.and_then(|method| WebhookRequest::new(url, method, headers));
    with_origin(peer, webhook)
}

/// The callback of a peer's request by GitLab's contract.
#[cfg(feature = "webhooks")]
pub(super) fn callback<'a>(
    peer: &Peer,
    url: &str,
    method: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let method = match method {
        "" => Ok(Method::Get),
        method => Method::of_callback(method),
    };
    let webhook = method.map_err(InvalidWebhook::from);
    let webhook = webhook.and_then(|method| WebhookRequest::callback(url, method, headers));
    with_origin(peer, webhook)
}

#[cfg(feature = "webhooks")]
fn with_origin(
    peer: &Peer,
    webhook: Result<WebhookRequest, InvalidWebhook>,
) -> Result<WebhookRequest, Status> {
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

#[cfg(not(feature = "webhooks"))]
pub(super) use self::parse as callback;

/// This build has no webhooks.
#[cfg(not(feature = "webhooks"))]
pub(super) fn parse<'a>(
    _peer: &Peer,
    _url: &str,
    _method: &str,
    _headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let message =
        "this build has no webhooks; nothing was signalled; repeat the request without one";
    Err(Status::new(Code::FailedPrecondition, message))
}
