//! Escaping and truncation of text in log lines.
//!
//! Owns which characters a line may hold. Field values come from clients: a raw newline would forge
//! a line, an escape sequence would drive the reader's terminal, and a bidirectional override would
//! reorder the text.

use std::fmt::{self, Write};

/// Marks truncated text.
pub(super) const TRUNCATED: &str = "...[cut]";

/// Whether `c` prints as itself: no control, line separator or invisible character.
fn is_printable(c: char) -> bool {
    // `escape_debug` knows Unicode's tables; it also escapes quotes and the backslash, for Rust.
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().len() == 1
}

/// Writes `text` with unprintable characters escaped.
pub(super) fn write_escaped(out: &mut dyn Write, text: &str) -> fmt::Result {
    for c in text.chars() {
        if is_printable(c) {
            out.write_char(c)?;
        } else {
            write!(out, "{}", c.escape_debug())?;
        }
    }
    Ok(())
}

/// Returns `text` with unprintable characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    // Writing to a string never fails.
    let _ = write_escaped(&mut out, text);
    out
}

/// Writes `text` as the value of a `name=value` pair: bare if unambiguous, else quoted.
pub(super) fn write_value(out: &mut dyn Write, text: &str) -> fmt::Result {
    let is_bare = |c: char| {
        is_printable(c) && !c.is_whitespace() && !matches!(c, '\'' | '"' | '\\' | '=' | '{' | '}')
    };
    if !text.is_empty() && text.chars().all(is_bare) {
        return out.write_str(text);
    }
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            c => write_escaped(out, c.encode_utf8(&mut [0; 4]))?,
        }
    }
    out.write_char('"')
}

/// Copies JSON text with unprintable characters as `\uXXXX`. In valid JSON on one line they occur
/// only inside strings, so the meaning stays.
pub(super) fn write_json(out: &mut dyn Write, json: &str) -> fmt::Result {
    for c in json.chars() {
        if is_printable(c) {
            out.write_char(c)?;
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

/// The longest prefix of `text` of at most `max` bytes that ends on a character boundary.
fn prefix(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Truncates `text` to at most `max` bytes, [`TRUNCATED`] included.
pub(super) fn truncate(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(prefix(text, max.saturating_sub(TRUNCATED.len())).len());
        text.push_str(TRUNCATED);
    }
}

/// A string that keeps the first `max` bytes written to it, so that no value costs much memory.
pub(super) struct BoundedString {
    text: String,
    max: usize,
    is_truncated: bool,
}

impl BoundedString {
    pub(super) fn new(max: usize) -> Self {
        Self {
            text: String::new(),
            max,
            is_truncated: false,
        }
    }

    /// The kept text, followed by [`TRUNCATED`] if there was more.
    pub(super) fn finish(mut self) -> String {
        if self.is_truncated {
            self.text.push_str(TRUNCATED);
        }
        self.text
    }
}

impl Write for BoundedString {
    /// Fails once full, so that the rest is not formatted.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_truncated {
            return Err(fmt::Error);
        }
        let kept = prefix(text, self.max.saturating_sub(self.text.len()));
        self.text.push_str(kept);
        self.is_truncated = kept.len() < text.len();
        if self.is_truncated {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut out = String::new();
        write_value(&mut out, text).unwrap();
        out
    }

    #[test]
    fn a_plain_value_stays_bare() {
        assert_eq!(value("unix:/run/x.sock"), "unix:/run/x.sock");
        assert_eq!(value("größe-✓"), "größe-✓");
    }

    #[test]
    fn an_ambiguous_value_is_quoted() {
        assert_eq!(value(""), r#""""#);
        assert_eq!(value("a b"), r#""a b""#);
        assert_eq!(value("a=b"), r#""a=b""#);
        assert_eq!(value(r#"a"\"#), r#""a\"\\""#);
    }

    #[test]
    fn unprintable_characters_are_escaped() {
        assert_eq!(value("a\nb\r\x1b[31m"), r#""a\nb\r\u{1b}[31m""#);
        assert_eq!(
            value("\u{9b}\u{202e}\u{2028}\u{7f}"),
            r#""\u{9b}\u{202e}\u{2028}\u{7f}""#
        );
    }

    #[test]
    fn truncation_keeps_the_limit_and_whole_characters() {
        for max in TRUNCATED.len()..30 {
            let mut text = "ü".repeat(20);
            truncate(&mut text, max);
            assert!(
                text.len() <= max && text.ends_with(TRUNCATED),
                "{max}: {text}"
            );
        }
        let mut text = "short".to_owned();
        truncate(&mut text, 5);
        assert_eq!(text, "short");
    }

    #[test]
    fn a_bounded_string_keeps_its_prefix() {
        let mut bounded = BoundedString::new(5);
        bounded.write_str("abc").unwrap();
        bounded.write_str("üü").unwrap_err();
        bounded.write_str("z").unwrap_err();
        assert_eq!(bounded.finish(), "abcü...[cut]");
    }
}
