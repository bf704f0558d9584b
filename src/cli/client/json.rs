//! The answer as JSON, for programs.
//!
//! Owns the format, which docs/cli.md and docs/schema describe. Later versions may add fields and
//! never change the meaning of one. Unknown values are `null`; times are RFC 3339 in UTC.

use std::time::SystemTime;

use serde::Serialize;

use super::phrases;
use super::row::{Row, RowAnswer};
use crate::client::{
    AfterExit, AfterExitPhase, Exit, Outcome, Process, SentSignal, SignalCause, WebhookDelivery,
    WebhookPhase,
};
use crate::timestamp::rfc3339;

#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    wrappers: Vec<Wrapper<'a>>,
}

#[derive(Serialize)]
struct Wrapper<'a> {
    address: &'a str,
    outcome: &'a str,
    error: Option<&'a str>,
    process: Option<ProcessJson<'a>>,
    health: Option<HealthJson<'a>>,
}

#[derive(Serialize)]
struct HealthJson<'a> {
    service: &'a str,
    status: &'a str,
}

#[derive(Serialize)]
struct ProcessJson<'a> {
    state: &'a str,
    pid: i32,
    program: &'a str,
    started_at: Option<String>,
    shutdown_requested_at: Option<String>,
    exited_at: Option<String>,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    core_dumped: bool,
    requested: bool,
    outcome: Option<&'a str>,
    signals: Vec<SignalJson<'a>>,
    force_at: Option<String>,
    kill_at: Option<String>,
    after_exit: Option<AfterExitJson<'a>>,
    webhooks: Vec<WebhookJson<'a>>,
}

#[derive(Serialize)]
struct SignalJson<'a> {
    number: i32,
    name: &'a str,
    sent_at: Option<String>,
    cause: Option<&'a str>,
}

#[derive(Serialize)]
struct AfterExitJson<'a> {
    phase: &'a str,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct WebhookJson<'a> {
    id: &'a str,
    target: &'a str,
    phase: &'a str,
    attempts: u32,
    next_attempt_at: Option<String>,
    last_error: Option<&'a str>,
    recovered: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    time: String,
    address: &'a str,
    outcome: &'a str,
    error: Option<&'a str>,
    process: Option<ProcessJson<'a>>,
}

/// One event, on one line.
pub(super) fn event(row: &Row, now: SystemTime) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Event {
        time: rfc3339(now).to_string(),
        address: &row.address,
        outcome: row.outcome.word(),
        error: row.error.as_deref(),
        process: row.process().map(process),
    })
}

/// The document, on one line.
pub(super) fn document(rows: &[Row], exit_code: u8) -> Result<String, serde_json::Error> {
    let wrappers = rows
        .iter()
        .map(|row| Wrapper {
            address: &row.address,
            outcome: row.outcome.word(),
            error: row.error.as_deref(),
            process: row.process().map(process),
            health: match &row.answer {
                RowAnswer::Health { service, health } => Some(HealthJson {
                    service,
                    status: phrases::health(*health),
                }),
                RowAnswer::Nothing | RowAnswer::Process(_) => None,
            },
        })
        .collect();
    serde_json::to_string(&Document {
        exit_code,
        wrappers,
    })
}

fn process(process: &Process) -> ProcessJson<'_> {
    let (exit_code, exit_signal, core_dumped) = exit(process.exit);
    ProcessJson {
        state: process.state.as_str(),
        pid: process.pid,
        program: &process.program,
        started_at: time(process.started_at),
        shutdown_requested_at: time(process.shutdown_requested_at),
        exited_at: time(process.exited_at),
        exit_code,
        exit_signal,
        core_dumped,
        requested: process.requested,
        outcome: process.outcome.map(Outcome::as_str),
        signals: process.signals.iter().map(signal).collect(),
        force_at: time(process.force_at),
        kill_at: time(process.kill_at),
        after_exit: process.after_exit.as_ref().map(after_exit),
        webhooks: process.webhooks.iter().map(webhook).collect(),
    }
}

fn signal(sent: &SentSignal) -> SignalJson<'_> {
    SignalJson {
        number: sent.number,
        name: &sent.name,
        sent_at: time(sent.sent_at),
        cause: sent.cause.map(SignalCause::as_str),
    }
}

fn after_exit(command: &AfterExit) -> AfterExitJson<'_> {
    let (exit_code, exit_signal, _) = exit(command.exit);
    AfterExitJson {
        phase: match command.phase {
            AfterExitPhase::Pending => "pending",
            AfterExitPhase::Running => "running",
            AfterExitPhase::Ended => "ended",
            AfterExitPhase::FailedToStart => "failed_to_start",
            AfterExitPhase::TimedOut => "timed_out",
        },
        exit_code,
        exit_signal,
        error: text(&command.error),
    }
}

fn webhook(delivery: &WebhookDelivery) -> WebhookJson<'_> {
    WebhookJson {
        id: &delivery.id,
        target: &delivery.target,
        phase: match delivery.phase {
            WebhookPhase::Pending => "pending",
            WebhookPhase::Delivered => "delivered",
            WebhookPhase::Failed => "failed",
        },
        attempts: delivery.attempts,
        next_attempt_at: time(delivery.next_attempt_at),
        last_error: text(&delivery.last_error),
        recovered: delivery.recovered,
    }
}

fn exit(exit: Option<Exit>) -> (Option<u8>, Option<u8>, bool) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None, false),
        Some(Exit::Signal {
            number,
            core_dumped,
        }) => (None, Some(number), core_dumped),
        None => (None, None, false),
    }
}

fn time(time: Option<SystemTime>) -> Option<String> {
    time.map(|time| rfc3339(time).to_string())
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::RowOutcome;
    use crate::cli::client::row::tests::process as example;
    use crate::client::{Health, State};

    /// Scripts depend on this documented format.
    #[test]
    fn the_format_is_stable() {
        let mut gone = example(
            State::Gone,
            Some(Exit::Signal {
                number: 9,
                core_dumped: true,
            }),
        );
        gone.started_at = Some(SystemTime::UNIX_EPOCH);
        gone.requested = true;
        gone.outcome = Some(Outcome::Killed);
        gone.signals.push(SentSignal {
            number: 9,
            name: "SIGKILL".to_owned(),
            sent_at: Some(SystemTime::UNIX_EPOCH),
            cause: Some(SignalCause::Deadline),
        });
        gone.after_exit = Some(AfterExit {
            phase: AfterExitPhase::FailedToStart,
            exit: None,
            error: "no such file".to_owned(),
        });
        gone.webhooks.push(WebhookDelivery {
            id: "msg_1".to_owned(),
            target: "https://a.example".to_owned(),
            phase: WebhookPhase::Delivered,
            attempts: 1,
            next_attempt_at: None,
            last_error: String::new(),
            recovered: false,
        });
        let rows = [
            Row {
                address: "unix:///a".to_owned(),
                outcome: RowOutcome::ProcessAborted,
                answer: RowAnswer::Process(Box::new(gone)),
                error: None,
            },
            Row {
                address: "unix:///b".to_owned(),
                outcome: RowOutcome::Unreachable,
                answer: RowAnswer::Nothing,
                error: Some("nothing \"listens\"\n".to_owned()),
            },
            Row {
                address: "unix:///c".to_owned(),
                outcome: RowOutcome::Failed,
                answer: RowAnswer::Health {
                    service: "process".to_owned(),
                    health: Health::NotServing,
                },
                error: None,
            },
        ];
        let expected = concat!(
            r#"{"exit_code":4,"wrappers":[{"address":"unix:///a","outcome":"process_aborted","error":null,"#,
            r#""process":{"state":"gone","pid":42,"program":"gitlab-runner","#,
            r#""started_at":"1970-01-01T00:00:00.000Z","shutdown_requested_at":null,"exited_at":null,"#,
            r#""exit_code":null,"exit_signal":9,"core_dumped":true,"requested":true,"#,
            r#""outcome":"killed","signals":[{"number":9,"name":"SIGKILL","#,
            r#""sent_at":"1970-01-01T00:00:00.000Z","cause":"deadline"}],"force_at":null,"#,
            r#""kill_at":null,"after_exit":{"phase":"failed_to_start","exit_code":null,"exit_signal":null,"#,
            r#""error":"no such file"},"webhooks":[{"id":"msg_1","target":"https://a.example","#,
            r#""phase":"delivered","attempts":1,"next_attempt_at":null,"last_error":null,"recovered":false}]},"health":null},"#,
            r#"{"address":"unix:///b","outcome":"unreachable","error":"nothing \"listens\"\n","process":null,"#,
            r#""health":null},{"address":"unix:///c","outcome":"failed","error":null,"process":null,"#,
            r#""health":{"service":"process","status":"NOT_SERVING"}}]}"#,
        );
        assert_eq!(document(&rows, 4).unwrap(), expected);
    }
}
