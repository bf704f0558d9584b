//! The answers of several wrappers as a table, for people.
//!
//! Owns its layout: on a terminal a row is one line. It never prints.

use std::fmt::Write;
use std::time::SystemTime;

use super::paint::{Canvas, Paint};
use super::phrases::{self, CONNECTING, service_name};
use super::row::{Row, RowAnswer, RowOutcome};
use crate::cli::wrap::{width, width_of, wrap};
use crate::log::escaped;

const HEADER: [&str; 5] = ["ADDRESS", "STATE", "PID", "PROGRAM", "DETAIL"];

/// The columns between the cells of a row.
const GAP: usize = 2;

/// The least width of the last column, for which the others give way.
const DETAIL: usize = 20;

/// The least width of an address that is cut.
const ADDRESS: usize = 16;

/// Marks text that was cut. ASCII, for a terminal of any locale.
const CUT: &str = "...";

/// One row per wrapper, and a summary.
pub(super) fn table(rows: &[Row], canvas: &Canvas) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(|row| cells(row, canvas.now)).collect();
    let mut widths = HEADER.map(str::len);
    for row in &cells {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    let columns = canvas.columns.unwrap_or(usize::MAX);
    let widths = fit(widths, columns);
    let mut text = String::new();
    write_row(
        &mut text,
        &HEADER.map(str::to_owned),
        &widths,
        columns,
        None,
    );
    for (row, cells) in rows.iter().zip(&cells) {
        let paint = canvas.color.then(|| Paint::of(row));
        write_row(&mut text, cells, &widths, columns, paint);
    }
    wrap(&mut text, &summary(rows), 0, GAP, columns);
    text
}

/// The columns that the first four cells take.
fn taken(widths: &[usize; 5]) -> usize {
    let shown = widths[..4].iter().filter(|width| **width > 0);
    shown.map(|width| width + GAP).sum()
}

/// The widths of the cells on a terminal; 0 is a column that is left out. First the detail becomes
/// shorter, then the program and the process id go, then the address becomes shorter.
fn fit(mut widths: [usize; 5], columns: usize) -> [usize; 5] {
    let detail = widths[4].min(DETAIL);
    for column in [3, 2] {
        if taken(&widths) + detail > columns {
            widths[column] = 0;
        }
    }
    let over = (taken(&widths) + detail).saturating_sub(columns);
    widths[0] = widths[0].saturating_sub(over).max(widths[0].min(ADDRESS));
    let left = columns.saturating_sub(taken(&widths));
    widths[4] = if left < HEADER[4].len() {
        0
    } else {
        widths[4].min(left)
    };
    widths
}

fn write_row(
    text: &mut String,
    cells: &[String; 5],
    widths: &[usize; 5],
    columns: usize,
    paint: Option<Paint>,
) {
    let mut left = columns;
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let width = left.min(*width);
        if width == 0 {
            continue;
        }
        let cell = match column {
            0 => cut(cell, width, width.saturating_sub(CUT.len()) / 2),
            _ => cut(cell, width, 0),
        };
        // Padding comes before colour, since escape sequences have no width.
        let padding = match column {
            4 => 0,
            _ => width - self::width(&cell),
        };
        left -= width;
        let cell = format!("{cell}{:padding$}", "");
        match paint {
            Some(paint) if column == 1 => text.push_str(&paint.apply(&cell, true)),
            Some(_) | None => text.push_str(&cell),
        }
        if column < 4 {
            let gap = left.min(GAP);
            let _ = write!(text, "{:gap$}", "");
            left -= gap;
        }
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

/// At most `columns` of the text, of which its end keeps `end`.
fn cut(text: &str, columns: usize, end: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let take = |characters: &mut dyn Iterator<Item = char>, columns: usize| {
        let mut used = 0;
        let fits = |character: &char| {
            used += width_of(*character);
            used <= columns
        };
        characters.take_while(fits).collect::<String>()
    };
    let mark = CUT.get(..columns.min(CUT.len())).unwrap_or_default();
    let tail = take(&mut text.chars().rev(), end);
    let head = columns.saturating_sub(mark.len() + width(&tail));
    let mut short = take(&mut text.chars(), head);
    short.push_str(mark);
    short.extend(tail.chars().rev());
    short
}

fn cells(row: &Row, now: SystemTime) -> [String; 5] {
    let process = row.process();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (word, detail) = match &row.answer {
        RowAnswer::Nothing => (None, CONNECTING.to_owned()),
        RowAnswer::Process(process) => {
            (Some(process.state.as_str()), phrases::detail(process, now))
        }
        RowAnswer::Health { service, health } => {
            (Some(phrases::health(*health)), service_name(service))
        }
    };
    [
        escaped(&row.address),
        or_dash(word.map(str::to_owned)),
        or_dash(process.map(|process| process.pid.to_string())),
        or_dash(process.map(|process| escaped(&process.program))),
        row.error.as_deref().map_or(detail, escaped),
    ]
}

/// `100 wrappers: 97 gone, 2 shutting_down, 1 unreachable`: each wrapper counts once.
fn summary(rows: &[Row]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        let word = match &row.answer {
            RowAnswer::Process(process) if row.error.is_none() => process.state.as_str(),
            RowAnswer::Health { health, .. } => phrases::health(*health),
            RowAnswer::Nothing if row.error.is_none() => CONNECTING,
            RowAnswer::Nothing | RowAnswer::Process(_) => row.outcome.word(),
        };
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let failed = rows
        .iter()
        .filter(|row| row.outcome == RowOutcome::ProcessFailed)
        .count();
    let aborted = rows
        .iter()
        .filter(|row| row.outcome == RowOutcome::ProcessAborted)
        .count();
    let mut text = format!("{} wrappers:", rows.len());
    for (n, (word, count)) in counts.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(text, "{comma} {count} {word}");
    }
    let of_them: Vec<_> = [(aborted, "aborted"), (failed, "failed")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} of them {word}"))
        .collect();
    if !of_them.is_empty() {
        let _ = write!(text, " ({})", of_them.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::tests::process;
    use crate::client::{Exit, State};

    const PLAIN: Canvas = Canvas {
        now: SystemTime::UNIX_EPOCH,
        color: false,
        columns: None,
    };

    fn rows() -> [Row; 3] {
        let row = |address: &str, outcome, answer, error: Option<&str>| Row {
            address: address.to_owned(),
            outcome,
            answer,
            error: error.map(str::to_owned),
        };
        let running = RowAnswer::Process(Box::new(process(State::Running, None)));
        let gone = RowAnswer::Process(Box::new(process(State::Gone, Some(Exit::Code(1)))));
        [
            row("unix:///run/long.sock", RowOutcome::Done, running, None),
            row("unix:///b", RowOutcome::ProcessFailed, gone, None),
            row(
                "tcp://c:1",
                RowOutcome::Unreachable,
                RowAnswer::Nothing,
                Some("nothing\nlistens"),
            ),
        ]
    }

    fn at(columns: usize) -> Canvas {
        Canvas {
            columns: Some(columns),
            ..PLAIN
        }
    }

    #[test]
    fn columns_align_and_each_wrapper_has_one_line() {
        let expected = "ADDRESS                STATE    PID  PROGRAM        DETAIL\n\
             unix:///run/long.sock  running  42   gitlab-runner  started\n\
             unix:///b              gone     42   gitlab-runner  exited with code 1, unasked\n\
             tcp://c:1              -        -    -              nothing\\nlistens\n\
             3 wrappers: 1 running, 1 gone, 1 unreachable (1 of them failed)\n";
        assert_eq!(table(&rows(), &PLAIN), expected);
        assert_eq!(table(&rows(), &at(79)), expected);
    }

    #[test]
    fn a_narrow_terminal_shows_less_of_the_detail_then_fewer_columns() {
        assert_eq!(
            table(&rows(), &at(75)),
            "ADDRESS                STATE    PID  PROGRAM        DETAIL\n\
             unix:///run/long.sock  running  42   gitlab-runner  started\n\
             unix:///b              gone     42   gitlab-runner  exited with code 1, ...\n\
             tcp://c:1              -        -    -              nothing\\nlistens\n\
             3 wrappers: 1 running, 1 gone, 1 unreachable (1 of them failed)\n"
        );
        assert_eq!(
            table(&rows(), &at(50)),
            "ADDRESS              STATE    DETAIL\n\
             unix:///...ong.sock  running  started\n\
             unix:///b            gone     exited with code ...\n\
             tcp://c:1            -        nothing\\nlistens\n\
             3 wrappers: 1 running, 1 gone, 1 unreachable (1\n  of them failed)\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_but_a_word() {
        let mut rows = rows();
        rows[0].address = "unix:///日本語/ソケット.sock".to_owned();
        for columns in 1..120 {
            let text = table(&rows, &at(columns));
            for line in text.lines().take(4) {
                assert!(width(line) <= columns, "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn colours_keep_the_text() {
        let painted = Canvas {
            color: true,
            ..PLAIN
        };
        let painted = table(&rows(), &painted);
        assert!(painted.contains("\x1b[32mrunning\x1b[0m"));
        assert!(painted.contains("\x1b[31mgone   \x1b[0m"));
        let mut bare = painted;
        for sequence in ["\x1b[32m", "\x1b[31m", "\x1b[0m"] {
            bare = bare.replace(sequence, "");
        }
        assert_eq!(bare, table(&rows(), &PLAIN));
    }

    #[test]
    fn a_wrapper_without_an_answer_yet_is_connecting() {
        let row = Row::connecting("unix:///a".to_owned());
        let text = table(&[row.clone(), row], &PLAIN);
        assert!(text.ends_with("2 wrappers: 2 connecting\n"), "{text}");
    }
}
