//! Words in columns.
//!
//! Owns the width of text on a terminal, and where a line breaks. It never reads the terminal.

use std::fmt::Write;

/// The columns of a character. East Asian wide characters begin at U+1100; counting a narrow one
/// beyond it as wide leaves a gap, where the opposite would break a line of a table.
pub(super) const fn width_of(character: char) -> usize {
    if character < '\u{1100}' { 1 } else { 2 }
}

/// The columns of text without control characters.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Appends words within the columns, the first line and later ones with their indents. A word
/// breaks only if it is longer than a line, by the terminal. Spaces within a line stay: they may
/// belong to a path.
pub(super) fn wrap(text: &mut String, words: &str, first: usize, indent: usize, columns: usize) {
    let _ = write!(text, "{:first$}", "");
    let mut used = first.max(indent);
    let mut begins = true;
    for word in words.split(' ') {
        let length = width(word);
        if !begins && used + 1 + length > columns {
            let _ = write!(text, "\n{:indent$}", "");
            used = indent;
        } else if !begins {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
        begins = false;
    }
    text.push('\n');
}
