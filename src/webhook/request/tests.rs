//! Valid and invalid webhooks.

use super::*;

fn with_header(name: &str, value: &str) -> Result<WebhookRequest, InvalidWebhook> {
    WebhookRequest::new("https://h.example/x", Method::Post, [(name, value)])
}

#[test]
fn an_invalid_url_is_refused() {
    for (url, expected) in [
        ("", InvalidWebhook::Scheme),
        ("h", InvalidWebhook::Scheme),
        ("//h/x", InvalidWebhook::Scheme),
        ("ftp://h/", InvalidWebhook::Scheme),
        ("file:///etc/passwd", InvalidWebhook::Scheme),
        ("unix:/run/x", InvalidWebhook::Scheme),
        ("mailto:a@b", InvalidWebhook::Scheme),
        ("https://user@h/", InvalidWebhook::Credentials),
        ("https://:pw@h/", InvalidWebhook::Credentials),
        ("http://h:0/", InvalidWebhook::Port),
        (
            &format!("http://h/{}", "x".repeat(MAX_URL_BYTES)),
            InvalidWebhook::UrlLength,
        ),
        // Three times as long once it is percent-encoded.
        (
            &format!("http://h/{}", "\u{e4}".repeat(3000)),
            InvalidWebhook::UrlLength,
        ),
    ] {
        let refused = WebhookRequest::new(url, Method::Post, []).unwrap_err();
        assert_eq!(refused, expected, "{url:?}");
    }
    for url in ["http://", "http://h:99999/", "http://[::1", "http://a b/"] {
        let refused = WebhookRequest::new(url, Method::Post, []).unwrap_err();
        assert!(
            matches!(refused, InvalidWebhook::Url(_)),
            "{url:?}: {refused}"
        );
    }
}

#[test]
fn the_credentials_of_a_callback_become_basic_authentication() {
    // RFC 7617, section 2.
    let basic = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    for (url, expected) in [
        ("http://Aladdin:open%20sesame@h/x?y", basic),
        ("https://user@h/x?y", "Basic dXNlcjo="),
        ("https://:pw@h/x?y", "Basic OnB3"),
        ("https://%C3%A9:%3A%40@h/x?y", "Basic w6k6OkA="),
    ] {
        let webhook = WebhookRequest::callback(url, Method::Get, []).unwrap();
        let [(name, value)] = webhook.headers() else {
            panic!("{:?}", webhook.headers());
        };
        assert_eq!(
            (name, value.as_bytes()),
            (&AUTHORIZATION, expected.as_bytes())
        );
        assert!(value.is_sensitive());
        assert!(
            webhook.url().as_str().ends_with("://h/x?y"),
            "{}",
            webhook.url()
        );
    }
    let own = [("Authorization", "Bearer x")];
    let webhook = WebhookRequest::callback("http://a:b@h/", Method::Get, own).unwrap();
    assert_eq!(webhook.headers().len(), 1);
    assert_eq!(webhook.headers()[0].1, "Bearer x");
    let plain = WebhookRequest::callback("http://h/", Method::Get, []).unwrap();
    assert_eq!(plain.headers().len(), 0);
    let refused = WebhookRequest::callback("ftp://a:s3cret@h/", Method::Get, []);
    assert_eq!(refused, Err(InvalidWebhook::Scheme));
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
        Err(InvalidWebhook::Duplicate(_))
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
fn target_and_debug_hide_path_and_headers() {
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
fn an_error_repeats_no_input() {
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
fn two_spellings_of_a_url_compare_equal() {
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

#[test]
fn the_credentials_of_a_callback_count_as_a_header() {
    let names: Vec<_> = (0..MAX_HEADERS)
        .map(|number| format!("x-{number}"))
        .collect();
    let many = || names.iter().map(|name| (name.as_str(), "v"));
    let callback = |url: &str| WebhookRequest::callback(url, Method::Get, many());
    callback("http://h/").unwrap();
    let refused = callback("http://a:b@h/").unwrap_err();
    assert_eq!(refused, InvalidWebhook::HeaderLength);
    let value = "v".repeat(MAX_HEADER_BYTES - 10);
    let long = [("x", &*value)];
    let refused = WebhookRequest::callback("http://a:b@h/", Method::Get, long).unwrap_err();
    assert_eq!(refused, InvalidWebhook::HeaderLength);
}
