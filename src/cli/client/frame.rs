//! Text on a terminal that the next text replaces.
//!
//! Owns the escape sequences for that (ECMA-48), none of which changes a mode of the terminal: it
//! is as before after any end, SIGKILL included. It never writes.

use super::terminal::Size;
use crate::cli::wrap::width_of;

/// The text on the terminal now. The cursor is at its end.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// The columns of each line; the last one has no line end.
    widths: Vec<usize>,
}

impl Frame {
    /// The sequence that erases the text and moves to its beginning.
    pub(super) fn erase(&mut self, size: Size) -> String {
        let widths = std::mem::take(&mut self.widths);
        // A terminal that became narrower has broken the lines anew.
        let rows = widths
            .iter()
            .map(|width| width.div_ceil(size.columns.max(1)).max(1));
        let up = rows.sum::<usize>().saturating_sub(1).min(size.rows);
        match up {
            // Carriage return; erase to the end of the screen.
            0 => "\r\x1b[J".to_owned(),
            up => format!("\r\x1b[{up}A\x1b[J"),
        }
    }

    /// The sequence that puts `text` in place of the last one. What does not fit the rows of the
    /// terminal is left out before the last line, since a row that has scrolled away stays.
    pub(super) fn replace(&mut self, text: &str, size: Size) -> String {
        let mut sequence = self.erase(size);
        let mut lines: Vec<&str> = text.split('\n').collect();
        let rows = size.rows.max(1);
        let left_out;
        if lines.len() > rows {
            // The last line may be empty, for the cursor. Two stay, and one says what is missing.
            let end = lines.len().saturating_sub(2);
            let begin = rows.saturating_sub(3);
            left_out = format!("... {} more", end - begin);
            lines.splice(begin..end, [left_out.as_str()]);
            lines.drain(..lines.len().saturating_sub(rows));
        }
        sequence.push_str(&lines.join("\n"));
        self.widths = lines.into_iter().map(visible_width).collect();
        sequence
    }

    /// Takes the text as it is for one that stays.
    pub(super) fn release(&mut self) {
        self.widths.clear();
    }
}

/// The columns of text that may have colours.
fn visible_width(text: &str) -> usize {
    let mut in_sequence = false;
    let mut width = 0;
    for character in text.chars() {
        match (in_sequence, character) {
            (true, 'm') => in_sequence = false,
            (true, _) => {}
            (false, '\x1b') => in_sequence = true,
            (false, character) => width += width_of(character),
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 80,
        rows: 24,
    };

    #[test]
    fn a_line_is_replaced_in_its_row() {
        let mut frame = Frame::default();
        assert_eq!(frame.replace("one", SIZE), "\r\x1b[Jone");
        assert_eq!(frame.replace("two", SIZE), "\r\x1b[Jtwo");
        assert_eq!(frame.erase(SIZE), "\r\x1b[J");
    }

    #[test]
    fn a_table_is_replaced_from_its_first_row() {
        let mut frame = Frame::default();
        assert_eq!(frame.replace("a\nb\n", SIZE), "\r\x1b[Ja\nb\n");
        assert_eq!(frame.replace("c\n", SIZE), "\r\x1b[2A\x1b[Jc\n");
        frame.release();
        assert_eq!(frame.replace("d\n", SIZE), "\r\x1b[Jd\n");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_erased_as_well() {
        let mut frame = Frame::default();
        let line = format!("\x1b[32m{}\x1b[0m\n", "x".repeat(50));
        frame.replace(&line, SIZE);
        let narrow = Size {
            columns: 20,
            ..SIZE
        };
        assert_eq!(frame.erase(narrow), "\r\x1b[3A\x1b[J");
    }

    #[test]
    fn a_table_that_is_too_long_says_how_many_rows_are_missing() {
        let mut frame = Frame::default();
        let table = "head\n1\n2\n3\n4\nsummary\n";
        let on = |rows| Size { rows, ..SIZE };
        let shown = |frame: &mut Frame, rows| {
            frame.release();
            frame.replace(table, on(rows)).replace("\r\x1b[J", "")
        };
        assert_eq!(shown(&mut frame, 7), table);
        assert_eq!(shown(&mut frame, 6), "head\n1\n2\n... 2 more\nsummary\n");
        assert_eq!(shown(&mut frame, 4), "head\n... 4 more\nsummary\n");
        assert_eq!(shown(&mut frame, 2), "summary\n");
        assert_eq!(shown(&mut frame, 1), "");
    }
}
