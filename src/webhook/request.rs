//! A validated webhook: URL, method, headers.
//!
//! Owns validation and the part of a webhook that may be logged. It never decides whether the
//! policy allows the host, and never shows a path or a header: both can be secrets.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::method::Method;
use super::policy::{Destination, Origin};

/// Maximum length of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// Maximum number of headers.
pub const MAX_HEADERS: usize = 64;

/// Maximum length of all header names and values together, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Headers that HTTP framing or the signature sets; a caller that sets one breaks the request.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// A validated webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    url: Url,
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
    origin: Origin,
}

/// Why a webhook is invalid. A message repeats no input except the name of a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// Not a URL.
    #[error("the URL of the webhook is invalid: {0}")]
    Url(url::ParseError),
    /// Neither http nor https.
    #[error("the URL of the webhook must begin with http:// or https://")]
    Scheme,
    /// Has a user or a password.
    #[error("the URL of the webhook holds credentials; send them in an authorization header")]
    Credentials,
    /// Port 0, where no server can listen.
    #[error("the URL of the webhook has port 0; use 1 to 65535")]
    Port,
    /// Longer than [`MAX_URL_BYTES`], as it was sent or percent-encoded.
    #[error("the URL of the webhook is longer than {MAX_URL_BYTES} bytes, percent-encoded")]
    UrlLength,
    /// Not a supported method.
    #[error(transparent)]
    Method(#[from] super::method::InvalidMethod),
    /// Not a token, RFC 9110 section 5.1.
    #[error("a header name of the webhook is not a token (letters, digits, hyphens)")]
    HeaderName,
    /// Holds a control character, such as a line break, or a non-ASCII one.
    #[error("the value of header {0} of the webhook is not printable ASCII")]
    HeaderValue(HeaderName),
    /// Reserved.
    #[error("process-wrapper sets header {0} of the webhook itself; leave it out")]
    Reserved(HeaderName),
    /// The name occurs twice; case is ignored.
    #[error("the webhook has header {0} twice; keep one")]
    Duplicate(HeaderName),
    /// More than [`MAX_HEADERS`] or [`MAX_HEADER_BYTES`].
    #[error(
        "the webhook has more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES} bytes of them"
    )]
    HeaderLength,
}

impl WebhookRequest {
    /// Validates a webhook.
    ///
    /// # Errors
    /// [`InvalidWebhook`] names the invalid part.
    pub fn new<'a>(
        url: &str,
        method: Method,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidWebhook> {
        let url = parse_url(url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhook::Credentials);
        }
        let headers = validate_headers(headers)?;
        Ok(Self::of_parts(url, method, headers))
    }

    /// Validates a callback of GitLab's contract. Credentials in the URL become Basic
    /// authentication (RFC 7617), unless it has an authorization header.
    ///
    /// # Errors
    /// [`InvalidWebhook`] names the invalid part.
    pub fn callback<'a>(
        url: &str,
        method: Method,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidWebhook> {
        let mut url = parse_url(url)?;
        let mut headers = validate_headers(headers)?;
        let credentials = take_credentials(&mut url);
        if let Some(value) = credentials
            && !headers.iter().any(|(name, _)| *name == AUTHORIZATION)
        {
            headers.push((AUTHORIZATION, value));
            let lengths = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len());
            if headers.len() > MAX_HEADERS || lengths.sum::<usize>() > MAX_HEADER_BYTES {
                return Err(InvalidWebhook::HeaderLength);
            }
        }
        Ok(Self::of_parts(url, method, headers))
    }

    const fn of_parts(url: Url, method: Method, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        let origin = Origin::Local;
        Self {
            url,
            method,
            headers,
            origin,
        }
    }

    /// Says where the webhook was asked for; [`Origin::Local`] if nothing does.
    #[must_use]
    pub fn with_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The whole URL; may hold secrets.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The headers; may hold secrets.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The host of the URL.
    pub fn host(&self) -> Host<&str> {
        // `new` has checked that there is one.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// Where the webhook goes, for the policy.
    pub fn destination(&self) -> Destination<'_> {
        Destination {
            host: self.host(),
            port: self.url.port_or_known_default().unwrap_or_default(),
            origin: self.origin,
        }
    }

    /// The part that may be logged: scheme, host, and any non-default port.
    pub fn target(&self) -> String {
        let (scheme, host) = (self.url.scheme(), self.host());
        match self.url.port() {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WebhookRequest({} {})",
            self.method.name(),
            self.target()
        )
    }
}

fn parse_url(text: &str) -> Result<Url, InvalidWebhook> {
    if text.len() > MAX_URL_BYTES {
        return Err(InvalidWebhook::UrlLength);
    }
    let parsed = Url::parse(text);
    if parsed == Err(url::ParseError::RelativeUrlWithoutBase) {
        return Err(InvalidWebhook::Scheme);
    }
    let mut url = parsed.map_err(InvalidWebhook::Url)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(InvalidWebhook::Scheme);
    }
    if url.port() == Some(0) {
        return Err(InvalidWebhook::Port);
    }
    // The fragment is never sent, so two URLs that differ only there are the same webhook.
    url.set_fragment(None);
    // The state directory keeps this form, and the next wrapper validates it again.
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(InvalidWebhook::UrlLength);
    }
    Ok(url)
}

/// Removes the credentials of a URL; returns their `Basic` value.
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    // They fail only for a URL that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn validate_headers<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidWebhook> {
    let mut checked: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut bytes = 0_usize;
    for (name, value) in headers {
        bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        if checked.len() == MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(InvalidWebhook::HeaderLength);
        }
        let name: HeaderName = name.parse().map_err(|_| InvalidWebhook::HeaderName)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(InvalidWebhook::Reserved(name));
        }
        if checked.iter().any(|(other, _)| *other == name) {
            return Err(InvalidWebhook::Duplicate(name));
        }
        let Ok(mut value) = HeaderValue::from_str(value) else {
            return Err(InvalidWebhook::HeaderValue(name));
        };
        if !value.as_bytes().is_ascii() {
            return Err(InvalidWebhook::HeaderValue(name));
        }
        // Hides the value from `Debug`.
        value.set_sensitive(true);
        checked.push((name, value));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests;
