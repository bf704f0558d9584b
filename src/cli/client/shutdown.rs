//! `process-wrapper shutdown`: requests a graceful shutdown, and waits with `--wait`.
//!
//! Owns building the request, `--webhook-file` included. It never prints an answer.

use std::path::Path;

use super::{Show, webhook_file};
use crate::cli::options::{ShutdownOptions, WebhookSource};
use crate::cli::{USAGE, complain};
use crate::client::{self, Process, State};
use crate::net::file::read_text;

/// Asks every wrapper for a graceful shutdown.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn shutdown(options: &ShutdownOptions) -> u8 {
    super::unblock_signals();
    let webhook = match options.webhook.as_ref().map(load_webhook).transpose() {
        Ok(webhook) => webhook,
        Err(error) => {
            complain(&options.target.sources.explain(error));
            return USAGE;
        }
    };
    let request = client::Shutdown {
        force_after: options.force_after,
        kill_after: options.kill_after,
        repeat_signal: options.again,
        webhook,
    };
    let waits = options.waiting.is_some();
    let show = match waits {
        true => Show::Progress,
        false => Show::Answer,
    };
    super::call_all(
        &options.target,
        show,
        options.waiting,
        |n, client, live, deadline| {
            let request = request.clone();
            async move {
                let on_answer = |process: &Process| {
                    live.update(n, process);
                    if never_kills(&request, process) {
                        live.warn(&format!("{}: {NEVER_KILLS}", client.address()));
                    }
                };
                let result = if waits {
                    client.drain_by(&request, deadline, on_answer).await
                } else {
                    let result = client.shut_down_by(&request, deadline).await;
                    result.inspect(on_answer)
                };
                if let Ok(process) = &result {
                    live.update(n, process);
                }
                super::row(&client, result, waits)
            }
        },
    )
}

const NEVER_KILLS: &str = "--kill-after counts from the abort, and no --force-after begins one, here or on \
    `run`; SIGKILL will not follow unless a stop signal aborts the process. Add --force-after";

/// Whether the request has a limit for the abort stage, which no deadline begins.
fn never_kills(request: &client::Shutdown, process: &Process) -> bool {
    let is_killed = || process.signals.iter().any(|sent| sent.name == "SIGKILL");
    request.kill_after.is_some()
        && process.state == State::ShuttingDown
        && process.force_at.is_none()
        && process.kill_at.is_none()
        && !is_killed()
}

fn load_webhook(source: &WebhookSource) -> Result<client::Webhook, String> {
    match source {
        WebhookSource::Url(url) => Ok(client::Webhook::new(url)),
        WebhookSource::File(file) => read(file).map_err(|why| {
            format!(
                "--webhook-file {}: {why}; no request was sent",
                file.display()
            )
        }),
    }
}

fn read(file: &Path) -> Result<client::Webhook, String> {
    let text = read_text(file).map_err(|error| error.to_string())?;
    webhook_file::parse(&text).map_err(|error| error.to_string())
}
