//! The answer as a line or a table, for people.
//!
//! Owns layout and colours. It never prints, nor decides whether to use colours.

use std::fmt::Write;
use std::time::SystemTime;

use super::phrases;
use super::row::{Row, RowAnswer, RowOutcome};
use crate::client::State;
use crate::log::escaped;

const HEADER: [&str; 5] = ["ADDRESS", "STATE", "PID", "PROGRAM", "DETAIL"];

/// The columns between the cells of a row.
const GAP: &str = "  ";

/// The answer of one wrapper. Errors go to stderr instead.
pub(super) fn line(row: &Row, now: SystemTime, color: bool) -> Option<String> {
    let (word, rest) = match &row.answer {
        RowAnswer::Nothing => return None,
        RowAnswer::Process(process) => (process.state.as_str(), phrases::sentence(process, now)),
        RowAnswer::Health { service, health } => (phrases::health(*health), service_name(service)),
    };
    Some(format!("{}: {rest}\n", Paint::of(row).apply(word, color)))
}

/// One row per wrapper, and a summary.
pub(super) fn table(rows: &[Row], now: SystemTime, color: bool) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(|row| cells(row, now)).collect();
    let width = |column: usize| {
        let widths = cells.iter().filter_map(|cells| cells.get(column));
        let widest = widths.map(|cell| cell.chars().count()).max();
        widest.unwrap_or(0).max(HEADER[column].len())
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    write_row(&mut text, &HEADER.map(str::to_owned), &widths, None);
    for (row, cells) in rows.iter().zip(&cells) {
        let paint = color.then(|| Paint::of(row));
        write_row(&mut text, cells, &widths, paint);
    }
    let _ = writeln!(text, "{}", summary(rows));
    text
}

fn write_row(text: &mut String, cells: &[String; 5], widths: &[usize; 4], paint: Option<Paint>) {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        // Padding comes before colour, since escape sequences have no width.
        let padded = format!("{cell:width$}");
        match paint {
            Some(paint) if column == 1 => text.push_str(&paint.apply(&padded, true)),
            Some(_) | None => text.push_str(&padded),
        }
        text.push_str(GAP);
    }
    text.push_str(&cells[4]);
    text.push('\n');
}

/// The display name of a health service.
fn service_name(service: &str) -> String {
    if service.is_empty() {
        "the wrapper".to_owned()
    } else {
        escaped(service)
    }
}

fn cells(row: &Row, now: SystemTime) -> [String; 5] {
    let process = row.process();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (word, detail) = match &row.answer {
        RowAnswer::Nothing => (None, String::new()),
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
pub(super) fn summary(rows: &[Row]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        let word = match &row.answer {
            RowAnswer::Process(process) if row.error.is_none() => process.state.as_str(),
            RowAnswer::Health { health, .. } => phrases::health(*health),
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

/// The colour of a row's state.
#[derive(Debug, Clone, Copy)]
enum Paint {
    Green,
    Yellow,
    Red,
    Plain,
}

impl Paint {
    fn of(row: &Row) -> Self {
        match (row.outcome, row.process()) {
            (
                RowOutcome::Done | RowOutcome::ProcessFailed | RowOutcome::ProcessAborted,
                Some(process),
            ) => match process.state {
                State::Running => Self::Green,
                State::ShuttingDown => Self::Yellow,
                State::Gone if process.failed() => Self::Red,
                State::Gone => Self::Plain,
            },
            (RowOutcome::Done, None) => Self::Green,
            (
                RowOutcome::ProcessFailed
                | RowOutcome::ProcessAborted
                | RowOutcome::Failed
                | RowOutcome::TimedOut
                | RowOutcome::Unreachable,
                _,
            ) => Self::Red,
        }
    }

    fn apply(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Plain => return text.to_owned(),
        };
        if color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::tests::process;
    use crate::client::Exit;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

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

    #[test]
    fn columns_align_and_each_wrapper_has_one_line() {
        assert_eq!(
            table(&rows(), NOW, false),
            "ADDRESS                STATE    PID  PROGRAM        DETAIL\n\
             unix:///run/long.sock  running  42   gitlab-runner  started\n\
             unix:///b              gone     42   gitlab-runner  exited with code 1, unasked\n\
             tcp://c:1              -        -    -              nothing\\nlistens\n\
             3 wrappers: 1 running, 1 gone, 1 unreachable (1 of them failed)\n"
        );
    }

    #[test]
    fn colours_keep_the_text() {
        let painted = table(&rows(), NOW, true);
        assert!(painted.contains("\x1b[32mrunning\x1b[0m"));
        assert!(painted.contains("\x1b[31mgone   \x1b[0m"));
        let mut bare = painted;
        for sequence in ["\x1b[32m", "\x1b[31m", "\x1b[0m"] {
            bare = bare.replace(sequence, "");
        }
        assert_eq!(bare, table(&rows(), NOW, false));
    }

    #[test]
    fn a_line_starts_with_the_state() {
        let [running, _, unreachable] = rows();
        assert_eq!(
            line(&running, NOW, false).unwrap(),
            "running: gitlab-runner (pid 42) started\n"
        );
        assert_eq!(line(&unreachable, NOW, false), None);
    }
}
