//! The file of `--webhook-file`, validated.
//!
//! Owns which entries are valid; `file_syntax` owns the line format. It never opens the file, and
//! its errors give line numbers, never the text of a line.

use super::file_syntax::{self, MalformedLine, WebhookBlock};
use super::method::Method;
use super::request::{InvalidWebhook, WebhookRequest};

/// Why a webhook file is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookFile {
    /// The file has no webhook.
    #[error("the file has no webhook; write a line [METHOD] URL, then lines Name: value")]
    Empty,
    /// A line is malformed.
    #[error(transparent)]
    Line(#[from] MalformedLine),
    /// The webhook that begins in this line, counted from 1, is invalid.
    #[error("the webhook in line {0}: {1}")]
    Webhook(usize, InvalidWebhook),
}

/// Parses all webhooks of a file.
///
/// # Errors
/// [`InvalidWebhookFile`] names the first invalid line.
pub fn parse(text: &str) -> Result<Vec<WebhookRequest>, InvalidWebhookFile> {
    let blocks = file_syntax::parse(text)?;
    if blocks.is_empty() {
        return Err(InvalidWebhookFile::Empty);
    }
    blocks
        .iter()
        .map(|block| webhook(block).map_err(|error| InvalidWebhookFile::Webhook(block.line, error)))
        .collect()
}

fn webhook(block: &WebhookBlock<'_>) -> Result<WebhookRequest, InvalidWebhook> {
    let method = block.method.map_or(Ok(Method::default()), str::parse)?;
    let headers = block.headers.iter().map(|(_, name, value)| (*name, *value));
    WebhookRequest::new(block.url, method, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_methods_headers_and_comments() {
        let text = "# receivers\n\nPUT  https://a.example/s3cret\nAuthorization: Bearer a:b\n\
                    # why\nX-Empty:\n\n\nhttps://b.example/\r\n";
        let webhooks = parse(text).unwrap();
        let [first, second] = webhooks.as_slice() else {
            panic!("{webhooks:?}");
        };
        assert_eq!(first.method(), Method::Put);
        assert_eq!(first.url().as_str(), "https://a.example/s3cret");
        let headers: Vec<_> = first
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(headers, [("authorization", "Bearer a:b"), ("x-empty", "")]);
        assert_eq!(second.method(), Method::Post);
        assert_eq!(second.headers(), []);
    }

    #[test]
    fn errors_give_the_line_number_without_its_text() {
        assert_eq!(parse(""), Err(InvalidWebhookFile::Empty));
        assert_eq!(parse("# nothing\n\n"), Err(InvalidWebhookFile::Empty));
        assert_eq!(
            parse("https://a.example/\ns3cret\n"),
            Err(InvalidWebhookFile::Line(MalformedLine::Header(2)))
        );
        let error = parse("\nhttps://a.example/\nhost: s3cret\n").unwrap_err();
        assert!(matches!(
            error,
            InvalidWebhookFile::Webhook(2, InvalidWebhook::Reserved(_))
        ));
        for text in [
            "s3cret\n",
            "GRAB https://a.example/s3cret",
            "https://a.example/s3cret HTTP/1.1",
            "POST https://a.example/s3cret HTTP/1.1",
            "https://a.example/\nx: s3cret\x01y",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}
