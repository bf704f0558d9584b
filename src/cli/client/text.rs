//! The answer of one wrapper as a line, a block or an event, for people.
//!
//! Owns layout. It never prints, nor decides whether to use colours.

use super::paint::{Canvas, Paint};
use super::row::{Row, RowAnswer};
use super::{phrases, table};
use crate::cli::wrap::wrap;
use crate::log::escaped;
use crate::timestamp::rfc3339;

/// Where the values of a block begin.
const VALUES: usize = 15;

/// The answer of one wrapper. Errors go to stderr instead.
pub(super) fn line(row: &Row, canvas: &Canvas) -> Option<String> {
    let (word, rest) = match &row.answer {
        RowAnswer::Nothing => return None,
        RowAnswer::Process(process) => (
            process.state.as_str(),
            phrases::sentence(process, canvas.now),
        ),
        RowAnswer::Health { service, health } => {
            (phrases::health(*health), phrases::service_name(service))
        }
    };
    Some(head(row, word, &rest, canvas))
}

/// `running: rest`, within the columns.
fn head(row: &Row, word: &str, rest: &str, canvas: &Canvas) -> String {
    let mut text = String::new();
    let columns = canvas.columns.unwrap_or(usize::MAX);
    wrap(&mut text, &format!("{word}: {rest}"), 0, 2, columns);
    // Escape sequences have no width.
    text.replace_range(..word.len(), &Paint::of(row).apply(word, canvas.color));
    text
}

/// One wrapper with one fact per line, or several as a table.
pub(super) fn display(rows: &[Row], canvas: &Canvas) -> String {
    match rows {
        [row] => block(row, canvas),
        rows => table::table(rows, canvas),
    }
}

fn block(row: &Row, canvas: &Canvas) -> String {
    let address = escaped(&row.address);
    let columns = canvas.columns.unwrap_or(usize::MAX);
    let mut text = String::new();
    let Some(process) = row.process() else {
        wrap(
            &mut text,
            &format!("{}: {address}", phrases::CONNECTING),
            0,
            2,
            columns,
        );
        return text;
    };
    let name = phrases::name(process);
    text = head(row, process.state.as_str(), &name, canvas);
    let mut fields = vec![("address", address)];
    fields.extend(phrases::fields(process, canvas.now));
    for (label, value) in fields {
        text.push_str(&format!("  {label:0$}", VALUES - 2));
        wrap(&mut text, &value, 0, VALUES, columns);
    }
    text
}

/// `TIME ADDRESS: running: …`: always one line.
pub(super) fn event(row: &Row, canvas: &Canvas) -> Option<String> {
    let canvas = Canvas {
        columns: None,
        ..*canvas
    };
    let line = line(row, &canvas)?;
    Some(format!(
        "{} {}: {line}",
        rfc3339(canvas.now),
        escaped(&row.address)
    ))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::cli::client::row::RowOutcome;
    use crate::cli::client::row::tests::process;
    use crate::client::{Exit, Outcome, State};

    const PLAIN: Canvas = Canvas {
        now: SystemTime::UNIX_EPOCH,
        color: false,
        columns: None,
    };

    fn row(state: State, exit: Option<Exit>) -> Row {
        Row {
            outcome: RowOutcome::Done,
            answer: RowAnswer::Process(Box::new(process(state, exit))),
            ..Row::connecting("unix:///a".to_owned())
        }
    }

    #[test]
    fn a_line_starts_with_the_state() {
        let running = row(State::Running, None);
        let expected = "running: gitlab-runner (pid 42) started\n";
        assert_eq!(line(&running, &PLAIN).unwrap(), expected);
        let unreachable = Row::connecting("unix:///a".to_owned());
        assert_eq!(line(&unreachable, &PLAIN), None);
    }

    #[test]
    fn an_event_names_time_and_wrapper() {
        let narrow = Canvas {
            columns: Some(10),
            ..PLAIN
        };
        assert_eq!(
            event(&row(State::Running, None), &narrow).unwrap(),
            "1970-01-01T00:00:00.000Z unix:///a: running: gitlab-runner (pid 42) started\n"
        );
    }

    #[test]
    fn a_block_has_one_fact_per_line_and_wraps_below_it() {
        let mut row = row(State::Gone, Some(Exit::Code(3)));
        if let RowAnswer::Process(process) = &mut row.answer {
            process.outcome = Some(Outcome::Failed);
            process.started_at = Some(SystemTime::UNIX_EPOCH);
            process.webhooks.push(crate::client::WebhookDelivery {
                id: "1".to_owned(),
                target: "https://a.example".to_owned(),
                phase: crate::client::WebhookPhase::Pending,
                attempts: 2,
                next_attempt_at: None,
                last_error: "timed\tout".to_owned(),
                recovered: false,
            });
        }
        let canvas = Canvas {
            columns: Some(45),
            color: true,
            ..PLAIN
        };
        assert_eq!(
            display(&[row], &canvas),
            "\x1b[31mgone\x1b[0m: gitlab-runner (pid 42)\n\
             \x20 address      unix:///a\n\
             \x20 started      0s ago\n\
             \x20 exit         exited with code 3\n\
             \x20 outcome      drain failed\n\
             \x20 webhook      https://a.example pending\n\
             \x20              (attempts: 2, last error:\n\
             \x20              timed\\tout)\n"
        );
    }
}
