//! The protobuf message in a file of the state directory.
//!
//! Owns its fields, and what makes one invalid. Numbers are never reused. The message is private to
//! this program: no API serves it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::{ProcessIdentity, Record, is_id};
use crate::lifecycle::{Exit, Outcome, SignalCause, StageSignal};
use crate::signal::Signal;
use crate::webhook::exit_report::{AfterExitReport, ExitReport};
use crate::webhook::method::Method;
use crate::webhook::policy::Origin;
use crate::webhook::request::WebhookRequest;

/// A field that no wrapper writes so. The name only: values can be secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its field {0} is invalid")]
pub struct InvalidField(pub &'static str);

/// Times are microseconds since 1970.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredWebhook {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    url: String,
    #[prost(string, tag = "3")]
    method: String,
    #[prost(message, repeated, tag = "4")]
    headers: Vec<StoredHeader>,
    /// A caller over TCP asked for it.
    #[prost(bool, tag = "5")]
    from_network: bool,
    #[prost(uint64, tag = "6")]
    accepted_at: u64,
    /// Nanoseconds.
    #[prost(uint64, tag = "7")]
    deadline: u64,
    #[prost(uint64, optional, tag = "8")]
    due_at: Option<u64>,
    #[prost(uint32, tag = "9")]
    attempts: u32,
    #[prost(string, tag = "10")]
    last_error: String,
    #[prost(uint64, optional, tag = "11")]
    failed_at: Option<u64>,
    #[prost(message, optional, tag = "12")]
    process: Option<StoredProcess>,
    #[prost(message, optional, tag = "13")]
    report: Option<StoredReport>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredHeader {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredProcess {
    #[prost(string, tag = "1")]
    boot_id: String,
    #[prost(uint64, tag = "2")]
    pid_namespace: u64,
    #[prost(int32, tag = "3")]
    pid: i32,
    #[prost(uint64, tag = "4")]
    start_time: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredReport {
    #[prost(string, tag = "1")]
    program: String,
    #[prost(int32, tag = "2")]
    pid: i32,
    #[prost(string, tag = "3")]
    hostname: String,
    #[prost(uint64, tag = "4")]
    started_at: u64,
    #[prost(uint64, optional, tag = "5")]
    shutdown_requested_at: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    exited_at: Option<u64>,
    #[prost(message, optional, tag = "7")]
    exit: Option<StoredExit>,
    #[prost(bool, tag = "8")]
    requested: bool,
    #[prost(string, tag = "9")]
    outcome: String,
    #[prost(message, repeated, tag = "10")]
    signals: Vec<StoredSignal>,
    #[prost(message, optional, tag = "11")]
    after_exit: Option<StoredCommand>,
}

/// A code, or a signal.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredExit {
    #[prost(uint32, optional, tag = "1")]
    code: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    signal: Option<u32>,
    #[prost(bool, tag = "3")]
    core_dumped: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredSignal {
    #[prost(int32, tag = "1")]
    signal: i32,
    #[prost(uint64, tag = "2")]
    sent_at: u64,
    #[prost(string, tag = "3")]
    cause: String,
}

/// An exit, or the error of the start.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredCommand {
    #[prost(message, optional, tag = "1")]
    exit: Option<StoredExit>,
    #[prost(bool, tag = "2")]
    timed_out: bool,
    #[prost(string, tag = "3")]
    error: String,
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn time(micros: u64) -> SystemTime {
    // The range of u64 microseconds is within that of the clock.
    UNIX_EPOCH
        .checked_add(Duration::from_micros(micros))
        .unwrap_or(UNIX_EPOCH)
}

impl From<&Record> for StoredWebhook {
    fn from(record: &Record) -> Self {
        let headers = record
            .webhook
            .headers()
            .iter()
            .map(|(name, value)| StoredHeader {
                name: name.to_string(),
                // `WebhookRequest` takes printable ASCII only.
                value: value.to_str().unwrap_or_default().to_owned(),
            });
        Self {
            id: record.id.clone(),
            url: record.webhook.url().to_string(),
            method: record.webhook.method().name().to_owned(),
            headers: headers.collect(),
            from_network: record.webhook.destination().origin == Origin::Network,
            accepted_at: micros(record.accepted_at),
            deadline: u64::try_from(record.deadline.as_nanos()).unwrap_or(u64::MAX),
            due_at: record.due_at.map(micros),
            attempts: record.attempts,
            last_error: record.last_error.clone(),
            failed_at: record.failed_at.map(micros),
            process: record.process.as_ref().map(|process| StoredProcess {
                boot_id: process.boot_id.clone(),
                pid_namespace: process.pid_namespace,
                pid: process.pid,
                start_time: process.start_time,
            }),
            report: Some(StoredReport::from(&record.report)),
        }
    }
}

impl TryFrom<StoredWebhook> for Record {
    type Error = InvalidField;

    fn try_from(message: StoredWebhook) -> Result<Self, InvalidField> {
        if !is_id(&message.id) {
            return Err(InvalidField("id"));
        }
        let method = Method::of_callback(&message.method).map_err(|_| InvalidField("method"))?;
        let headers = message.headers.iter();
        let headers = headers.map(|header| (&*header.name, &*header.value));
        let webhook = WebhookRequest::new(&message.url, method, headers)
            .map_err(|_| InvalidField("url or headers"))?;
        let origin = match message.from_network {
            true => Origin::Network,
            false => Origin::Local,
        };
        let report = message.report.ok_or(InvalidField("report"))?;
        Ok(Self {
            id: message.id,
            webhook: webhook.with_origin(origin),
            accepted_at: time(message.accepted_at),
            deadline: Duration::from_nanos(message.deadline),
            due_at: message.due_at.map(time),
            attempts: message.attempts,
            last_error: message.last_error,
            failed_at: message.failed_at.map(time),
            process: message.process.map(|process| ProcessIdentity {
                boot_id: process.boot_id,
                pid_namespace: process.pid_namespace,
                pid: process.pid,
                start_time: process.start_time,
            }),
            report: report.try_into()?,
        })
    }
}

impl From<&ExitReport> for StoredReport {
    fn from(report: &ExitReport) -> Self {
        Self {
            program: report.program.clone(),
            pid: report.pid,
            hostname: report.hostname.clone(),
            started_at: micros(report.started_at),
            shutdown_requested_at: report.shutdown_requested_at.map(micros),
            exited_at: report.exited_at.map(micros),
            exit: report.exit.map(StoredExit::from),
            requested: report.requested,
            outcome: report.outcome.as_str().to_owned(),
            signals: report
                .signals
                .iter()
                .map(|sent| StoredSignal {
                    signal: sent.signal.number(),
                    sent_at: micros(sent.sent_at),
                    cause: sent.cause.as_str().to_owned(),
                })
                .collect(),
            after_exit: report.after_exit.as_ref().map(StoredCommand::from),
        }
    }
}

impl TryFrom<StoredReport> for ExitReport {
    type Error = InvalidField;

    fn try_from(report: StoredReport) -> Result<Self, InvalidField> {
        let signals = report.signals.into_iter().map(|sent| {
            let causes = [
                SignalCause::Request,
                SignalCause::Deadline,
                SignalCause::Forwarded,
            ];
            let cause = causes
                .into_iter()
                .find(|cause| cause.as_str() == sent.cause);
            Ok(StageSignal {
                signal: Signal::from_number(sent.signal).ok_or(InvalidField("signals"))?,
                sent_at: time(sent.sent_at),
                cause: cause.ok_or(InvalidField("signals"))?,
            })
        });
        Ok(Self {
            program: report.program,
            pid: report.pid,
            hostname: report.hostname,
            started_at: time(report.started_at),
            shutdown_requested_at: report.shutdown_requested_at.map(time),
            exited_at: report.exited_at.map(time),
            exit: report.exit.map(Exit::try_from).transpose()?,
            requested: report.requested,
            outcome: report
                .outcome
                .parse::<Outcome>()
                .map_err(|_| InvalidField("outcome"))?,
            signals: signals.collect::<Result<_, _>>()?,
            after_exit: report
                .after_exit
                .map(AfterExitReport::try_from)
                .transpose()?,
        })
    }
}

impl From<Exit> for StoredExit {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self {
                code: Some(code.into()),
                signal: None,
                core_dumped: false,
            },
            Exit::Signal {
                number,
                core_dumped,
            } => Self {
                code: None,
                signal: Some(number.into()),
                core_dumped,
            },
        }
    }
}

impl TryFrom<StoredExit> for Exit {
    type Error = InvalidField;

    fn try_from(end: StoredExit) -> Result<Self, InvalidField> {
        let byte = |number: u32| u8::try_from(number).map_err(|_| InvalidField("exit"));
        match (end.code, end.signal) {
            (Some(code), None) => Ok(Self::Code(byte(code)?)),
            (None, Some(number)) => Ok(Self::Signal {
                number: byte(number)?,
                core_dumped: end.core_dumped,
            }),
            (Some(_), Some(_)) | (None, None) => Err(InvalidField("exit")),
        }
    }
}

impl From<&AfterExitReport> for StoredCommand {
    fn from(report: &AfterExitReport) -> Self {
        let (exit, timed_out, error) = match report {
            AfterExitReport::Ended(exit) => (Some(*exit), false, ""),
            AfterExitReport::TimedOut(exit) => (Some(*exit), true, ""),
            AfterExitReport::FailedToStart(error) => (None, false, error.as_str()),
        };
        Self {
            exit: exit.map(StoredExit::from),
            timed_out,
            error: error.to_owned(),
        }
    }
}

impl TryFrom<StoredCommand> for AfterExitReport {
    type Error = InvalidField;

    fn try_from(message: StoredCommand) -> Result<Self, InvalidField> {
        Ok(match message.exit.map(Exit::try_from).transpose()? {
            Some(exit) if message.timed_out => Self::TimedOut(exit),
            Some(exit) => Self::Ended(exit),
            None => Self::FailedToStart(message.error),
        })
    }
}
