//! Whether what was printed is what the page shows.
//!
//! Owns what may differ from run to run: process ids, times, durations and ids. It never forgives
//! anything else; `…` on a page stands for whatever was printed there.

/// Whether a character belongs to what differs.
type Differs = fn(char) -> bool;

/// What is different each time, in the words that stand before it.
const BEFORE: [(&str, Differs); 9] = [
    ("pid=", digit),
    ("pid ", digit),
    ("\"pid\": ", digit),
    ("\"pid\":", digit),
    ("process_pid{} ", digit),
    ("delay=", span),
    ("after ", span),
    ("in ", span),
    ("msg_", hexadecimal),
];

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn hexadecimal(c: char) -> bool {
    c.is_ascii_hexdigit()
}

/// As in `1m5s` or `810.3ms`.
fn span(c: char) -> bool {
    c.is_ascii_digit() || c == '.' || c == 'm' || c == 's' || c == 'h' || c == 'µ'
}

/// The text without what is different each time, and with single spaces.
fn blur(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut line = times(&words.join(" "));
        for (before, differs) in BEFORE {
            line = blur_after(&line, before, differs);
        }
        ages(&line)
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// `before` and then at least one digit: what follows becomes `#`.
fn blur_after(line: &str, before: &str, differs: Differs) -> String {
    let mut blurred = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(before) {
        let (head, tail) = rest.split_at(at + before.len());
        blurred.push_str(head);
        rest = tail;
        let digits = before == "msg_" || tail.starts_with(|c: char| c.is_ascii_digit());
        let end = tail.find(|c| !differs(c)).unwrap_or(tail.len());
        if digits && end > 0 {
            blurred.push('#');
            rest = &tail[end..];
        }
    }
    blurred + rest
}

/// RFC 3339, in UTC.
fn times(line: &str) -> String {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let mut blurred = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let bytes = rest.as_bytes();
        let fits = bytes.len() > FORM.len()
            && FORM.iter().zip(bytes).all(|(form, byte)| match form {
                b'd' => byte.is_ascii_digit(),
                sign => sign == byte,
            });
        if fits {
            let end = rest.find('Z').map_or(rest.len(), |at| at + 1);
            blurred.push_str("TIME");
            rest = &rest[end..];
        } else {
            blurred.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    blurred
}

/// `3s ago`.
fn ages(line: &str) -> String {
    let mut parts: Vec<String> = line.split(" ago").map(str::to_owned).collect();
    let last = parts.pop().unwrap_or_default();
    let blurred = parts
        .into_iter()
        .map(|part| format!("{}# ago", part.trim_end_matches(span)));
    blurred.collect::<String>() + &last
}

/// Whether `actual` is as the page shows it; of what goes on in the background the page shows the
/// beginning.
pub(crate) fn matches(shown: &str, actual: &str, background: bool) -> bool {
    let (shown, actual) = (blur(shown), blur(actual));
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty() || (background && (rest.starts_with('\n') || first.is_empty()));
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    if background {
        rest.contains(last)
    } else {
        rest.ends_with(last)
    }
}
