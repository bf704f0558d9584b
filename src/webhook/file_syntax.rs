//! The syntax of a webhook file.
//!
//! Owns the line format: `[METHOD] URL`, then lines `Name: value`. An empty line separates two
//! webhooks, and `#` begins a comment line. It never validates a URL, method or header, and never
//! opens the file.

/// One webhook as written, not validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookBlock<'a> {
    /// The line of the URL, counted from 1.
    pub line: usize,
    /// The word before the URL.
    pub method: Option<&'a str>,
    /// The rest of the first line.
    pub url: &'a str,
    /// Line, name and value of each header, in file order.
    pub headers: Vec<(usize, &'a str, &'a str)>,
}

/// A malformed line, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedLine {
    /// A header line without a colon.
    #[error(
        "line {0} is not a header; write Name: value, or an empty line before the next webhook"
    )]
    Header(usize),
    /// Text after the URL, for example the version in the request line of HTTP/1.1.
    #[error("line {0} has text after the URL; write [METHOD] URL, without `HTTP/1.1`")]
    AfterUrl(usize),
}

/// Splits a file into webhooks.
///
/// # Errors
/// [`MalformedLine`] holds the line number only: the line may hold a secret.
pub fn parse(text: &str) -> Result<Vec<WebhookBlock<'_>>, MalformedLine> {
    let mut blocks = Vec::new();
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with('#'));
    while let Some((line, first)) = lines.find(|(_, line)| !line.is_empty()) {
        let (method, url) = match first.split_once(char::is_whitespace) {
            Some((method, url)) => (Some(method), url.trim_start()),
            None => (None, first),
        };
        let url_first = method.is_some_and(|method| method.contains("://"));
        if url_first || url.contains(char::is_whitespace) {
            return Err(MalformedLine::AfterUrl(line));
        }
        let mut headers = Vec::new();
        for (number, line) in lines.by_ref().take_while(|(_, line)| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(MalformedLine::Header(number))?;
            // `https://…` is a URL without the empty line before it.
            if value.starts_with("//") {
                return Err(MalformedLine::Header(number));
            }
            headers.push((number, name.trim_end(), value.trim_start()));
        }
        blocks.push(WebhookBlock {
            line,
            method,
            url,
            headers,
        });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_separate_webhooks() {
        let text = "# receivers\n\nPUT  https://a.example/\nAuthorization: Bearer a:b\n\
                    # why\nX-Empty:\n\n\nhttps://b.example/\r\n";
        let first = WebhookBlock {
            line: 3,
            method: Some("PUT"),
            url: "https://a.example/",
            headers: vec![(4, "Authorization", "Bearer a:b"), (6, "X-Empty", "")],
        };
        let second = WebhookBlock {
            line: 9,
            method: None,
            url: "https://b.example/",
            headers: vec![],
        };
        assert_eq!(parse(text), Ok(vec![first, second]));
        assert_eq!(parse("# nothing\n\n"), Ok(vec![]));
    }

    #[test]
    fn a_malformed_header_is_reported_by_its_line() {
        for text in ["https://a/\ntext", "https://a/\nhttps://b/\n"] {
            assert_eq!(parse(text), Err(MalformedLine::Header(2)), "{text:?}");
        }
        // With a space before it, the slashes are a value.
        assert!(parse("https://a/\nx: //b/\n").is_ok());
    }

    #[test]
    fn a_request_line_of_http_is_refused() {
        for line in [
            "POST https://a/ HTTP/1.1",
            "POST https://a/\tHTTP/1.1",
            "POST / HTTP/1.1\nHost: a",
            "https://a/ https://b/",
            "POST PUT https://b/",
        ] {
            let text = format!("# why\n{line}\n");
            assert_eq!(parse(&text), Err(MalformedLine::AfterUrl(2)), "{line}");
        }
    }
}
