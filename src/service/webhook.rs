//! From the fields of a message to a webhook.
//!
//! Owns which status a bad one is answered with. It never registers one: the supervisor does.

use crate::grpc::rules::status::{Code, Status};
use crate::webhook::WebhookRequest;
use crate::webhook::method::Method;

/// The webhook that a request names. An empty method is the `usual` one of the service.
#[cfg(feature = "webhooks")]
pub(super) fn wanted<'a>(
    url: &str,
    method: &str,
    usual: Method,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let method = if method.is_empty() {
        Ok(usual)
    } else {
        method.parse()
    };
    let webhook = match method {
        Ok(method) => WebhookRequest::new(url, method, headers),
        Err(error) => Err(crate::webhook::request::InvalidWebhook::from(error)),
    };
    webhook.map_err(|error| {
        let message = format!("{error}; nothing was signalled");
        Status::new(Code::InvalidArgument, message)
    })
}

/// There are none in this build.
#[cfg(not(feature = "webhooks"))]
pub(super) fn wanted<'a>(
    _url: &str,
    _method: &str,
    _usual: Method,
    _headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<WebhookRequest, Status> {
    let message = "this build has no webhooks; nothing was signalled, ask again without one";
    Err(Status::new(Code::FailedPrecondition, message))
}
