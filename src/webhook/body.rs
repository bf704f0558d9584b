//! The JSON body of a webhook, documented in docs/webhooks.md.
//!
//! Owns its fields. It never decides when it is sent.

use serde::Serialize;

use super::exit_report::{AfterExitReport, ExitReport};
use crate::lifecycle::{Exit, StageSignal};
use crate::timestamp::rfc3339;

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    id: &'a str,
    attempt: u32,
    state: &'static str,
    program: &'a str,
    pid: i32,
    hostname: &'a str,
    started_at: String,
    shutdown_requested_at: Option<String>,
    exited_at: Option<String>,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    core_dumped: bool,
    requested: bool,
    outcome: &'static str,
    signals: Vec<SignalBody>,
    after_exit: Option<AfterExitBody<'a>>,
}

#[derive(Serialize)]
struct SignalBody {
    number: i32,
    name: &'static str,
    sent_at: String,
    cause: &'static str,
}

impl From<&StageSignal> for SignalBody {
    fn from(sent: &StageSignal) -> Self {
        Self {
            number: sent.signal.number(),
            name: sent.signal.full_name(),
            sent_at: rfc3339(sent.sent_at).to_string(),
            cause: sent.cause.as_str(),
        }
    }
}

#[derive(Serialize)]
struct AfterExitBody<'a> {
    phase: &'static str,
    exit_code: Option<u8>,
    exit_signal: Option<u8>,
    error: Option<&'a str>,
}

impl<'a> From<&'a AfterExitReport> for AfterExitBody<'a> {
    fn from(after_exit: &'a AfterExitReport) -> Self {
        let (phase, exit, error) = match after_exit {
            AfterExitReport::Ended(exit) => ("ended", Some(*exit), None),
            AfterExitReport::TimedOut(exit) => ("timed_out", Some(*exit), None),
            AfterExitReport::FailedToStart(error) => {
                ("failed_to_start", None, Some(error.as_str()))
            }
        };
        let (exit_code, exit_signal, _) = exit.map_or((None, None, false), parts);
        Self {
            phase,
            exit_code,
            exit_signal,
            error,
        }
    }
}

impl ExitReport {
    /// The body of one attempt; `attempt` counts from 1.
    pub fn to_json(&self, id: &str, attempt: u32) -> String {
        let (exit_code, exit_signal, core_dumped) = self.exit.map_or((None, None, false), parts);
        let body = Body {
            r#type: "process.gone",
            id,
            attempt,
            state: "gone",
            program: &self.program,
            pid: self.pid,
            hostname: &self.hostname,
            started_at: rfc3339(self.started_at).to_string(),
            shutdown_requested_at: self
                .shutdown_requested_at
                .map(|time| rfc3339(time).to_string()),
            exited_at: self.exited_at.map(|time| rfc3339(time).to_string()),
            exit_code,
            exit_signal,
            core_dumped,
            requested: self.requested,
            outcome: self.outcome.as_str(),
            signals: self.signals.iter().map(SignalBody::from).collect(),
            after_exit: self.after_exit.as_ref().map(AfterExitBody::from),
        };
        // Strings and numbers always serialize.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// Exit code, signal, core dump.
fn parts(exit: Exit) -> (Option<u8>, Option<u8>, bool) {
    match exit {
        Exit::Code(code) => (Some(code), None, false),
        Exit::Signal {
            number,
            core_dumped,
        } => (None, Some(number), core_dumped),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::lifecycle::{Outcome, SignalCause};
    use crate::signal::Signal;

    fn report() -> ExitReport {
        ExitReport {
            program: "gitlab-\"runner\"".to_owned(),
            pid: 7,
            hostname: "host".to_owned(),
            started_at: UNIX_EPOCH + Duration::from_millis(1_795_428_000_123),
            shutdown_requested_at: None,
            exited_at: Some(UNIX_EPOCH + Duration::from_secs(1_795_428_060)),
            exit: Some(Exit::Code(3)),
            requested: false,
            outcome: Outcome::Unasked,
            signals: Vec::new(),
            after_exit: None,
        }
    }

    fn parse(report: &ExitReport) -> serde_json::Value {
        serde_json::from_str(&report.to_json("msg_1", 2)).unwrap()
    }

    #[test]
    fn every_field_is_present_and_null_if_unknown() {
        let expected = serde_json::json!({
            "type": "process.gone",
            "id": "msg_1",
            "attempt": 2,
            "state": "gone",
            "program": "gitlab-\"runner\"",
            "pid": 7,
            "hostname": "host",
            "started_at": "2026-11-23T10:00:00.123Z",
            "shutdown_requested_at": null,
            "exited_at": "2026-11-23T10:01:00.000Z",
            "exit_code": 3,
            "exit_signal": null,
            "core_dumped": false,
            "requested": false,
            "outcome": "unasked",
            "signals": [],
            "after_exit": null,
        });
        assert_eq!(parse(&report()), expected);
    }

    #[test]
    fn the_body_has_the_outcome_and_the_signals_that_led_to_it() {
        let sent = |signal, seconds, cause| StageSignal {
            signal,
            sent_at: UNIX_EPOCH + Duration::from_secs(seconds),
            cause,
        };
        let aborted = ExitReport {
            outcome: Outcome::Aborted,
            signals: vec![
                sent(Signal::QUIT, 0, SignalCause::Request),
                sent(Signal::TERM, 2, SignalCause::Deadline),
            ],
            ..report()
        };
        let body = parse(&aborted);
        assert_eq!(body["outcome"], "aborted");
        let expected = serde_json::json!([
            {"number": 3, "name": "SIGQUIT", "sent_at": "1970-01-01T00:00:00.000Z", "cause": "request"},
            {"number": 15, "name": "SIGTERM", "sent_at": "1970-01-01T00:00:02.000Z", "cause": "deadline"},
        ]);
        assert_eq!(body["signals"], expected);
    }

    #[test]
    fn the_body_has_the_signal_and_the_after_exit_result() {
        let killed = Exit::Signal {
            number: 9,
            core_dumped: true,
        };
        let signalled = ExitReport {
            exit: Some(killed),
            requested: true,
            shutdown_requested_at: Some(UNIX_EPOCH),
            after_exit: Some(AfterExitReport::TimedOut(killed)),
            ..report()
        };
        let body = parse(&signalled);
        assert_eq!(body["exit_code"], serde_json::Value::Null);
        assert_eq!(body["exit_signal"], 9);
        assert_eq!(body["core_dumped"], true);
        assert_eq!(body["shutdown_requested_at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(body["after_exit"]["phase"], "timed_out");
        assert_eq!(body["after_exit"]["exit_signal"], 9);
        let failed = ExitReport {
            after_exit: Some(AfterExitReport::FailedToStart("not found".to_owned())),
            ..report()
        };
        assert_eq!(parse(&failed)["after_exit"]["phase"], "failed_to_start");
        assert_eq!(parse(&failed)["after_exit"]["error"], "not found");
        let ended = ExitReport {
            after_exit: Some(AfterExitReport::Ended(Exit::Code(1))),
            ..report()
        };
        assert_eq!(parse(&ended)["after_exit"]["exit_code"], 1);
    }

    #[test]
    fn the_body_of_an_end_that_no_wrapper_saw_has_neither_code_nor_signal() {
        let lost = ExitReport {
            exited_at: None,
            exit: None,
            outcome: Outcome::Lost,
            ..report()
        };
        let body = parse(&lost);
        for key in ["exited_at", "exit_code", "exit_signal"] {
            assert!(body[key].is_null(), "{key}");
        }
        assert_eq!(body["outcome"], "lost");
    }
}
