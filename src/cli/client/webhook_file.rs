//! The file of `shutdown --webhook-file`.
//!
//! Owns its format: a line `[METHOD] URL`, then lines `Name: value`; empty lines and lines that begin with
//! `#` are passed over. What the words mean is the wrapper's to judge. Errors name lines without showing
//! them: they may hold secrets.

use crate::client::Webhook;

/// Why a file describes no webhook.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidFile {
    #[error("there is no webhook in it; write a line [METHOD] URL, then lines Name: value")]
    Empty,
    #[error("line {0} is no header; write Name: value (a request takes one webhook only)")]
    NoHeader(usize),
    #[error("line {0} has a header that was there before; a request takes each name once")]
    Repeated(usize),
}

/// Reads the one webhook of a file.
pub(super) fn parse(text: &str) -> Result<Webhook, InvalidFile> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (_, first) = lines.next().ok_or(InvalidFile::Empty)?;
    let (method, url) = match first.split_once(char::is_whitespace) {
        Some((method, url)) => (method.to_owned(), url.trim_start()),
        None => (String::new(), first),
    };
    let mut webhook = Webhook {
        url: url.to_owned(),
        method,
        ..Webhook::default()
    };
    for (number, line) in lines {
        let (name, value) = line.split_once(':').ok_or(InvalidFile::NoHeader(number))?;
        let (name, value) = (name.trim_end().to_owned(), value.trim_start().to_owned());
        // A URL is no header name: somebody meant two webhooks.
        if value.starts_with("//") {
            return Err(InvalidFile::NoHeader(number));
        }
        if webhook.headers.insert(name, value).is_some() {
            return Err(InvalidFile::Repeated(number));
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
        assert_eq!(parse("# nothing\n"), Err(InvalidFile::Empty));
        for (text, expected) in [
            ("https://a/\ns3cret", InvalidFile::NoHeader(2)),
            ("https://a/\n\nhttps://b/s3cret", InvalidFile::NoHeader(3)),
            ("https://a/\nx: 1\nx: s3cret", InvalidFile::Repeated(3)),
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
            assert_eq!(error, expected);
        }
    }
}
