//! `process-wrapper webhooks`: the files of a state directory.
//!
//! Owns its output and its exit codes. It never changes a webhook: it leaves a marker, and the
//! wrapper obeys it.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::cli::options::{Output, WebhooksAction, WebhooksCommand};
use crate::cli::{FAILED, complain, print};
use crate::log::escaped;
use crate::spool::directory::{Found, peek};
use crate::spool::markers;
use crate::spool::record::Record;
use crate::timestamp::rfc3339;

#[derive(Serialize)]
struct KeptWebhook<'a> {
    id: &'a str,
    target: String,
    phase: &'static str,
    attempts: u32,
    accepted_at: String,
    failed_at: Option<String>,
    last_error: Option<&'a str>,
    program: &'a str,
    pid: i32,
    outcome: &'static str,
}

impl<'a> KeptWebhook<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            id: &record.id,
            target: record.webhook.target(),
            phase: match record.failed_at {
                Some(_) => "failed",
                None => "pending",
            },
            attempts: record.attempts,
            accepted_at: rfc3339(record.accepted_at).to_string(),
            failed_at: record.failed_at.map(|time| rfc3339(time).to_string()),
            last_error: Some(&*record.last_error).filter(|error| !error.is_empty()),
            program: &record.report.program,
            pid: record.report.pid,
            outcome: record.report.outcome.as_str(),
        }
    }

    fn line(&self) -> String {
        let error = self
            .last_error
            .map(|error| format!(", last error: {}", escaped(error)));
        format!(
            "{} {} to {} (accepted {}, attempts: {}{}), {} of {} (pid {})",
            self.id,
            self.phase,
            self.target,
            self.accepted_at,
            self.attempts,
            error.unwrap_or_default(),
            self.outcome,
            escaped(self.program),
            self.pid
        )
    }
}

/// Runs the command and returns its exit code.
pub(super) fn webhooks(options: &WebhooksCommand) -> u8 {
    let directory = &options.directory;
    match &options.action {
        WebhooksAction::List(output) => list(directory, *output),
        WebhooksAction::Order(id, order) => match markers::leave(directory, id, *order) {
            Ok(()) => 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {
                complain(&format!(
                    "--state-dir {directory:?} has no webhook {id}; it may be delivered"
                ));
                FAILED
            }
            Err(error) => {
                complain(&format!("--state-dir {directory:?}: {error}"));
                FAILED
            }
        },
    }
}

fn list(directory: &Path, output: Output) -> u8 {
    let found = match peek(directory) {
        Ok(found) => found,
        Err(error) => {
            complain(&format!(
                "--state-dir {directory:?} cannot be read: {error}"
            ));
            return FAILED;
        }
    };
    let mut records = Vec::new();
    for one in found {
        match one {
            Found::Record(record) => records.push(record),
            Found::SetAside { name, .. } => complain(&format!("{name:?} was set aside")),
            Found::Left { name, why } => complain(&format!("{name:?} is no webhook: {why}")),
        }
    }
    records.sort_by_key(|record| record.accepted_at);
    let webhooks: Vec<_> = records
        .iter()
        .map(|record| KeptWebhook::of(record))
        .collect();
    match output {
        Output::Json => match serde_json::to_string(&webhooks) {
            Ok(text) => print(&text),
            Err(error) => {
                complain(&error.to_string());
                return FAILED;
            }
        },
        Output::Text if webhooks.is_empty() => {}
        Output::Text => {
            let lines: Vec<_> = webhooks.iter().map(KeptWebhook::line).collect();
            print(&lines.join("\n"));
        }
    }
    0
}
