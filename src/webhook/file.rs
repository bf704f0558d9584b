//! The file of `--webhook-file`.
//!
//! Owns what is accepted in it; how it is written is in `blocks`. It never opens the file, and its errors
//! name lines without showing them.

use super::blocks::{self, Block, NoHeader};
use super::method::Method;
use super::request::{InvalidWebhook, Webhook};

/// Why the file is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFile {
    /// There is not one webhook in it.
    #[error("there is no webhook in it; write a line [METHOD] URL, then lines Name: value")]
    Empty,
    /// A line is neither.
    #[error(transparent)]
    NoHeader(#[from] NoHeader),
    /// The webhook that begins in this line, counted from 1, is wrong.
    #[error("the webhook in line {0}: {1}")]
    Webhook(usize, InvalidWebhook),
}

/// Reads all webhooks of a file.
///
/// # Errors
/// [`InvalidFile`] names the first line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Webhook>, InvalidFile> {
    let blocks = blocks::parse(text)?;
    if blocks.is_empty() {
        return Err(InvalidFile::Empty);
    }
    blocks
        .iter()
        .map(|block| webhook(block).map_err(|why| InvalidFile::Webhook(block.line, why)))
        .collect()
}

fn webhook(block: &Block<'_>) -> Result<Webhook, InvalidWebhook> {
    let method = block.method.map_or(Ok(Method::default()), str::parse)?;
    let headers = block.headers.iter().map(|(_, name, value)| (*name, *value));
    Webhook::new(block.url, method, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_read_with_methods_headers_and_comments() {
        let text = "# who is told\n\nPUT  https://a.example/s3cret\nAuthorization: Bearer a:b\n\
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
    fn errors_name_the_line_and_show_nothing_of_it() {
        assert_eq!(parse(""), Err(InvalidFile::Empty));
        assert_eq!(parse("# nothing\n\n"), Err(InvalidFile::Empty));
        assert_eq!(
            parse("https://a.example/\ns3cret\n"),
            Err(InvalidFile::NoHeader(NoHeader(2)))
        );
        let error = parse("\nhttps://a.example/\nhost: s3cret\n").unwrap_err();
        assert!(matches!(
            error,
            InvalidFile::Webhook(2, InvalidWebhook::Reserved(_))
        ));
        for text in [
            "s3cret\n",
            "GRAB https://a.example/s3cret",
            "https://a.example/\nx: s3cret\x01y",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}
