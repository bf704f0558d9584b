//! The format of a file of webhooks.
//!
//! Owns the lines: `[METHOD] URL`, then lines `Name: value`, then an empty line before the next webhook; `#`
//! begins a comment line. It never judges what a URL, a method or a header is, and never opens the file.

/// One webhook as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookBlock<'a> {
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// What is written before the URL, if anything is.
    pub method: Option<&'a str>,
    /// The rest of its first line.
    pub url: &'a str,
    /// Its headers in their order, with the line of each.
    pub headers: Vec<(usize, &'a str, &'a str)>,
}

/// This line, counted from 1, has no colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no header; write Name: value, or leave a line empty before the next webhook")]
pub struct MalformedHeader(pub usize);

/// Takes a file apart.
///
/// # Errors
/// [`MalformedHeader`] names the line, never what is on it.
pub fn parse(text: &str) -> Result<Vec<WebhookBlock<'_>>, MalformedHeader> {
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
        let mut headers = Vec::new();
        for (number, line) in lines.by_ref().take_while(|(_, line)| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(MalformedHeader(number))?;
            // `https://…`: somebody forgot the empty line before the next webhook.
            if value.starts_with("//") {
                return Err(MalformedHeader(number));
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
    fn webhooks_are_told_apart_by_empty_lines() {
        let text = "# who is told\n\nPUT  https://a.example/\nAuthorization: Bearer a:b\n\
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
    fn what_is_no_header_is_named_by_its_line() {
        for text in ["https://a/\ntext", "https://a/\nhttps://b/\n"] {
            assert_eq!(parse(text), Err(MalformedHeader(2)), "{text:?}");
        }
        // With a space, somebody means it.
        assert!(parse("https://a/\nx: //b/\n").is_ok());
    }
}
