//! `process-wrapper shutdown`: requests a graceful shutdown, and waits with `--wait`.
//!
//! Owns building the request, `--webhook-file` included. It never prints an answer.

use std::path::Path;

use super::webhook_file;
use crate::cli::options::{ShutdownOptions, WebhookSource};
use crate::cli::{USAGE, complain};
use crate::client::{self, Process};

/// Asks every wrapper for a graceful shutdown.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn shutdown(options: &ShutdownOptions) -> u8 {
    super::unblock_signals();
    let webhook = match options.webhook.as_ref().map(load_webhook).transpose() {
        Ok(webhook) => webhook,
        Err(error) => {
            complain(&error);
            return USAGE;
        }
    };
    let request = client::Shutdown {
        force_after: options.force_after,
        kill_after: options.kill_after,
        webhook,
    };
    let waits = options.waiting.is_some();
    super::call_all(
        &options.target,
        options.waiting,
        |n, client, live, deadline| {
            let request = request.clone();
            async move {
                let result = if waits {
                    let on_update = |process: &Process| live.update(n, process);
                    client.drain_by(&request, deadline, on_update).await
                } else {
                    client.shut_down_by(&request, deadline).await
                };
                if let Ok(process) = &result {
                    live.update(n, process);
                }
                super::row(&client, result, waits)
            }
        },
    )
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
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    webhook_file::parse(&text).map_err(|error| error.to_string())
}
