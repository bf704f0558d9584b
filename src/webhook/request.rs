//! A webhook as somebody wants it: where, how, with which headers.
//!
//! Owns what is accepted and what is shown of it. It never decides whether the place may be called, and
//! shows neither path nor header: both can be secrets.

use std::fmt;

use http::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::method::Method;

/// How long a URL may be, in bytes.
pub const MAX_URL: usize = 8 * 1024;

/// How many headers a webhook may have.
pub const MAX_HEADERS: usize = 64;

/// How long all names and values of headers may be together, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What HTTP itself or the signature says; from anybody else it would break the request.
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

/// A valid webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    url: Url,
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a webhook is not accepted. No message repeats what was given but the name of a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// It cannot be read.
    #[error("the URL of the webhook cannot be read: {0}")]
    Url(url::ParseError),
    /// Neither http nor https.
    #[error("the URL of the webhook must begin with http:// or https://")]
    Scheme,
    /// It has a user or a password.
    #[error("the URL of the webhook holds credentials; send them in an authorization header")]
    Credentials,
    /// Nothing listens there.
    #[error("the URL of the webhook has port 0")]
    Port,
    /// Too long.
    #[error("the URL of the webhook is longer than {MAX_URL} bytes")]
    UrlLength,
    /// Unknown.
    #[error(transparent)]
    Method(#[from] super::method::InvalidMethod),
    /// No token, RFC 9110 section 5.1.
    #[error("the webhook has a header whose name is not a token")]
    HeaderName,
    /// Line breaks, other control characters, or more than ASCII.
    #[error("the value of header {0} of the webhook holds something other than printable ASCII")]
    HeaderValue(HeaderName),
    /// Not to be set from outside.
    #[error("header {0} of the webhook is set by process-wrapper itself; leave it out")]
    Reserved(HeaderName),
    /// Twice, perhaps in other letters.
    #[error("the webhook has header {0} twice")]
    Twice(HeaderName),
    /// Too many, or too long.
    #[error(
        "the webhook has more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES} bytes of them"
    )]
    HeaderLength,
}

impl WebhookRequest {
    /// Checks every part.
    ///
    /// # Errors
    /// [`InvalidWebhook`] names the part that is wrong.
    pub fn new<'a>(
        url: &str,
        method: Method,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, InvalidWebhook> {
        if url.len() > MAX_URL {
            return Err(InvalidWebhook::UrlLength);
        }
        let mut url = Url::parse(url).map_err(InvalidWebhook::Url)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(InvalidWebhook::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhook::Credentials);
        }
        if url.port() == Some(0) {
            return Err(InvalidWebhook::Port);
        }
        // It is never sent, so it must not tell two webhooks apart.
        url.set_fragment(None);
        Ok(Self {
            url,
            method,
            headers: checked(headers)?,
        })
    }

    /// The URL, with its secrets.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The headers, with their secrets.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The host, as the URL has it.
    pub fn host(&self) -> Host<&str> {
        // There is one: `new` has seen it.
        self.url.host().unwrap_or(Host::Domain(""))
    }

    /// The port, given or known by the scheme.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// What may be shown: scheme and host, and the port if it is not the usual one.
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

fn checked<'a>(
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
            return Err(InvalidWebhook::Twice(name));
        }
        let Ok(mut value) = HeaderValue::from_str(value) else {
            return Err(InvalidWebhook::HeaderValue(name));
        };
        if !value.as_bytes().is_ascii() {
            return Err(InvalidWebhook::HeaderValue(name));
        }
        // Its `Debug` shows nothing from here on.
        value.set_sensitive(true);
        checked.push((name, value));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(name: &str, value: &str) -> Result<WebhookRequest, InvalidWebhook> {
        WebhookRequest::new("https://h.example/x", Method::Post, [(name, value)])
    }

    #[test]
    fn urls_that_are_no_place_for_a_webhook_are_refused() {
        for (url, expected) in [
            ("ftp://h/", InvalidWebhook::Scheme),
            ("file:///etc/passwd", InvalidWebhook::Scheme),
            ("unix:/run/x", InvalidWebhook::Scheme),
            ("mailto:a@b", InvalidWebhook::Scheme),
            ("https://user@h/", InvalidWebhook::Credentials),
            ("https://:pw@h/", InvalidWebhook::Credentials),
            ("http://h:0/", InvalidWebhook::Port),
            (
                &format!("http://h/{}", "x".repeat(MAX_URL)),
                InvalidWebhook::UrlLength,
            ),
        ] {
            let refused = WebhookRequest::new(url, Method::Post, []).unwrap_err();
            assert_eq!(refused, expected, "{url:?}");
        }
        for url in [
            "",
            "h",
            "//h/x",
            "http://",
            "http://h:99999/",
            "http://[::1",
            "http://a b/",
        ] {
            let refused = WebhookRequest::new(url, Method::Post, []).unwrap_err();
            assert!(
                matches!(refused, InvalidWebhook::Url(_)),
                "{url:?}: {refused}"
            );
        }
    }

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "CONNECTION",
            "upgrade",
            "Expect",
            "webhook-id",
            "Webhook-Signature",
        ] {
            let refused = with_header(name, "x").unwrap_err();
            assert!(matches!(refused, InvalidWebhook::Reserved(_)), "{name}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "ä"] {
            assert_eq!(
                with_header(name, "x"),
                Err(InvalidWebhook::HeaderName),
                "{name:?}"
            );
        }
        for value in ["a\r\nHost: b", "a\nb", "a\rb", "\0", "\x7f", "schön"] {
            let refused = with_header("x-token", value).unwrap_err();
            assert!(
                matches!(refused, InvalidWebhook::HeaderValue(_)),
                "{value:?}"
            );
        }
        assert!(with_header("x-token", "").is_ok());
        assert!(with_header("Authorization", "Bearer a\tb!~").is_ok());
        let twice = [("X-A", "1"), ("x-a", "2")];
        assert!(matches!(
            WebhookRequest::new("http://h/", Method::Post, twice),
            Err(InvalidWebhook::Twice(_))
        ));
    }

    #[test]
    fn headers_are_limited_in_number_and_length() {
        let names: Vec<String> = (0..=MAX_HEADERS).map(|n| format!("x-{n}")).collect();
        let some = |count: usize| names.iter().take(count).map(|name| (name.as_str(), "v"));
        assert!(WebhookRequest::new("http://h/", Method::Post, some(MAX_HEADERS)).is_ok());
        assert_eq!(
            WebhookRequest::new("http://h/", Method::Post, some(MAX_HEADERS + 1)),
            Err(InvalidWebhook::HeaderLength)
        );
        assert_eq!(
            with_header("x", &"v".repeat(MAX_HEADER_BYTES)),
            Err(InvalidWebhook::HeaderLength)
        );
    }

    #[test]
    fn what_is_shown_holds_no_path_and_no_header() {
        let webhook = WebhookRequest::new(
            "https://H.example:8443/s3cret?t=s3cret#s3cret",
            Method::Put,
            [("authorization", "s3cret")],
        )
        .unwrap();
        assert_eq!(webhook.target(), "https://h.example:8443");
        let shown = format!("{webhook:?} {:?}", webhook.headers());
        assert!(!shown.contains("s3cret"), "{shown}");
        for url in [
            "https://h.example:8443/a",
            "http://[::1]:1/",
            "http://10.0.0.1/",
        ] {
            let webhook = WebhookRequest::new(url, Method::Post, []).unwrap();
            assert!(url.starts_with(&webhook.target()), "{url}");
        }
    }

    #[test]
    fn no_refusal_repeats_what_was_given() {
        let refusals = [
            WebhookRequest::new("s3cret://u:s3cret@h/s3cret", Method::Post, []).unwrap_err(),
            WebhookRequest::new("https://u:s3cret@h/s3cret", Method::Post, []).unwrap_err(),
            WebhookRequest::new("https://[s3cret/s3cret", Method::Post, []).unwrap_err(),
            with_header("x-token", "s3cret\n").unwrap_err(),
            with_header("s3cret: x", "s3cret").unwrap_err(),
            with_header("host", "s3cret").unwrap_err(),
        ];
        for refusal in refusals {
            assert!(
                !format!("{refusal} {refusal:?}").contains("s3cret"),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn two_spellings_of_one_url_are_one() {
        let url = |text: &str| {
            WebhookRequest::new(text, Method::Post, [])
                .unwrap()
                .url()
                .clone()
        };
        assert_eq!(
            url("https://H.example:443/a/../b#c"),
            url("https://h.example/b")
        );
        assert_ne!(url("https://h.example/b?x"), url("https://h.example/b"));
    }
}
