//! The file of `shutdown --webhook-file`.
//!
//! Owns the limit of one webhook per file; `file_syntax` parses the format, which `run` shares. It
//! never validates the URL: the wrapper does. Errors name a line without its text, a possible
//! secret.

use crate::client::Webhook;
use crate::webhook::file_syntax::{self, MalformedLine};

/// Why the file is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WebhookFileError {
    #[error("the file has no webhook; write a line [METHOD] URL, then lines Name: value")]
    Empty,
    #[error(transparent)]
    Line(#[from] MalformedLine),
    #[error("line {0} starts a second webhook after an empty line; a request takes one webhook")]
    SecondWebhook(usize),
    #[error("line {0} repeats a header name; write each name once")]
    RepeatedHeader(usize),
}

/// Parses a file with exactly one webhook.
pub(super) fn parse(text: &str) -> Result<Webhook, WebhookFileError> {
    let mut blocks = file_syntax::parse(text)?.into_iter();
    let block = blocks.next().ok_or(WebhookFileError::Empty)?;
    if let Some(second) = blocks.next() {
        return Err(WebhookFileError::SecondWebhook(second.line));
    }
    let mut webhook = Webhook::new(block.url).method(block.method.unwrap_or_default());
    for (line, name, value) in block.headers {
        let previous = webhook.headers.insert(name.to_owned(), value.to_owned());
        if previous.is_some() {
            return Err(WebhookFileError::RepeatedHeader(line));
        }
    }
    Ok(webhook)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_or_without_method_and_headers_is_read() {
        let webhook = parse("https://a.example/s3cret\n").unwrap();
        assert_eq!((webhook.method.as_str(), webhook.headers.len()), ("", 0));
        let text =
            "# who\n\nPUT https://a.example/\r\nAuthorization: Bearer a:b\n# why\nX-Empty:\n";
        let webhook = parse(text).unwrap();
        assert_eq!(webhook.method, "PUT");
        assert_eq!(webhook.url, "https://a.example/");
        let headers: Vec<_> = webhook.headers.into_iter().collect();
        let expected = [("Authorization", "Bearer a:b"), ("X-Empty", "")];
        assert_eq!(headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn errors_name_the_line_without_its_text() {
        assert_eq!(parse("# nothing\n"), Err(WebhookFileError::Empty));
        for (text, expected) in [
            ("https://a/\ns3cret", MalformedLine::Header(2).into()),
            (
                "https://a/\nhttps://b/s3cret",
                MalformedLine::Header(2).into(),
            ),
            (
                "PUT https://a/s3cret HTTP/1.1",
                MalformedLine::AfterUrl(1).into(),
            ),
            (
                "https://a/\n\nhttps://b/s3cret",
                WebhookFileError::SecondWebhook(3),
            ),
            (
                "https://a/\n\nx-s3cret: 1",
                WebhookFileError::SecondWebhook(3),
            ),
            (
                "https://a/\nx: 1\nx: s3cret",
                WebhookFileError::RepeatedHeader(3),
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!(error, expected);
        }
    }
}
