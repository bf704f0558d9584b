//! The file of `shutdown --webhook-file`.
//!
//! Owns that it holds one webhook; it is written as that of `run`, which `blocks` reads. What the words
//! mean is the wrapper's to judge. Errors name lines without showing them: they may hold secrets.

use crate::client::Webhook;
use crate::webhook::file_syntax::{self, MalformedHeader};

/// Why a file describes no webhook.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WebhookFileError {
    #[error("there is no webhook in it; write a line [METHOD] URL, then lines Name: value")]
    Empty,
    #[error(transparent)]
    MalformedHeader(#[from] MalformedHeader),
    #[error(
        "another webhook begins in line {0}, after an empty line; a request takes one webhook only"
    )]
    Another(usize),
    #[error("line {0} has a header that was there before; a request takes each name once")]
    Repeated(usize),
}

/// Reads the one webhook of a file.
pub(super) fn parse(text: &str) -> Result<Webhook, WebhookFileError> {
    let mut blocks = file_syntax::parse(text)?.into_iter();
    let block = blocks.next().ok_or(WebhookFileError::Empty)?;
    if let Some(another) = blocks.next() {
        return Err(WebhookFileError::Another(another.line));
    }
    let mut webhook = Webhook {
        url: block.url.to_owned(),
        method: block.method.unwrap_or_default().to_owned(),
        ..Webhook::default()
    };
    for (line, name, value) in block.headers {
        let before = webhook.headers.insert(name.to_owned(), value.to_owned());
        if before.is_some() {
            return Err(WebhookFileError::Repeated(line));
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
    fn errors_name_the_line_and_show_nothing_of_it() {
        assert_eq!(parse("# nothing\n"), Err(WebhookFileError::Empty));
        for (text, expected) in [
            ("https://a/\ns3cret", MalformedHeader(2).into()),
            ("https://a/\nhttps://b/s3cret", MalformedHeader(2).into()),
            (
                "https://a/\n\nhttps://b/s3cret",
                WebhookFileError::Another(3),
            ),
            ("https://a/\n\nx-s3cret: 1", WebhookFileError::Another(3)),
            ("https://a/\nx: 1\nx: s3cret", WebhookFileError::Repeated(3)),
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!(error, expected);
        }
    }
}
