//! Dispatcher as requests ask for them: URL, method, headers.

use http::{HeaderValue, Uri};
use process_wrapper::webhook::WebhookRequest;
use process_wrapper::webhook::method::Method;
use process_wrapper::webhook::request::{
    InvalidWebhook, MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL_BYTES,
};
use url::Position;

use super::cursor::{Cursor, is_telling};

/// What is accepted can be sent as HTTP/1.1 without a surprise, is read again as itself, and shows
/// nothing but scheme, host and port; what is refused is refused in one line that repeats nothing
/// of it.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let method = cursor.text();
    let method = method.parse().unwrap_or_else(|error| {
        assert!(!format!("{error}").contains('\n'));
        Method::default()
    });
    assert_eq!(method.name().parse(), Ok(method));
    let mut headers = Vec::new();
    for _ in 0..cursor.u8(..4) {
        headers.push((cursor.text(), cursor.text()));
    }
    if cursor.u8(..32) == 0 {
        // More than anybody needs.
        let more = (0..MAX_HEADERS).map(|n| (format!("x-{n}"), "y".repeat(n)));
        headers.extend(more);
    }
    let url = String::from_utf8_lossy(cursor.rest());
    let given = || {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    };
    let webhook = match WebhookRequest::new(&url, method, given()) {
        Ok(webhook) => webhook,
        Err(error) => return refused(&error, &url, given().map(|(_, value)| value)),
    };

    assert!(url.len() <= MAX_URL_BYTES && headers.len() <= MAX_HEADERS);
    let text = webhook.url().as_str();
    match WebhookRequest::new(text, method, given()) {
        Ok(again) => assert_eq!(again, webhook),
        // What is encoded is up to three times as long as what was given.
        Err(error) => assert!(
            error == InvalidWebhook::UrlLength && text.len() > MAX_URL_BYTES,
            "{error}"
        ),
    }
    let target = webhook.target();
    assert!(text.starts_with(&target), "{target} of {text}");
    assert!(target.starts_with("http://") || target.starts_with("https://"));
    assert_eq!(target.matches('/').count(), 2, "no path: {target}");
    assert!(!target.contains(['@', '?', '#']), "{target}");
    assert_eq!(
        format!("{webhook:?}"),
        format!("WebhookRequest({} {target})", method.name())
    );
    assert_ne!(webhook.destination().port, 0);

    // What the request will say: its target, RFC 9112 section 3.2.1, and its Host.
    let path = &webhook.url()[Position::BeforePath..Position::AfterQuery];
    assert!(
        path.starts_with('/') && path.parse::<Uri>().is_ok(),
        "{path}"
    );
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
    let host = &webhook.url()[Position::BeforeHost..Position::AfterPort];
    assert!(
        !host.is_empty() && HeaderValue::from_str(host).is_ok(),
        "{host}"
    );
    assert!(host.bytes().all(|byte| byte.is_ascii_graphic()), "{host}");
    let mut bytes = 0;
    for (name, value) in webhook.headers() {
        bytes += name.as_str().len() + value.len();
        let reserved = [
            "host",
            "content-length",
            "transfer-encoding",
            "webhook-id",
            "webhook-signature",
        ];
        assert!(!reserved.contains(&name.as_str()));
        assert!(value.to_str().unwrap().is_ascii() && value.is_sensitive());
    }
    assert!(bytes <= MAX_HEADER_BYTES);
    assert_eq!(webhook.headers().len(), headers.len());
}

/// Nothing that could be a secret is repeated.
fn refused<'a>(error: &InvalidWebhook, url: &'a str, values: impl Iterator<Item = &'a str>) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains('\n'), "one line: {text}");
    let text = without_header_name(&text, error);
    for secret in values.chain([url]) {
        assert!(!is_telling(secret) || !text.contains(secret), "{text}");
    }
}

/// What is said of a webhook besides the name of a header, which may be said, and which a fuzzer
/// uses for values too.
pub fn without_header_name(text: &str, error: &InvalidWebhook) -> String {
    match error {
        InvalidWebhook::HeaderValue(name)
        | InvalidWebhook::Reserved(name)
        | InvalidWebhook::Duplicate(name) => text.replace(name.as_str(), ""),
        InvalidWebhook::Url(_)
        | InvalidWebhook::Scheme
        | InvalidWebhook::Credentials
        | InvalidWebhook::Port
        | InvalidWebhook::UrlLength
        | InvalidWebhook::Method(_)
        | InvalidWebhook::HeaderName
        | InvalidWebhook::HeaderLength => text.to_owned(),
    }
}
