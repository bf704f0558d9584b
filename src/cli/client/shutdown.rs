//! `process-wrapper shutdown`: ask the process to finish, and wait for it if wanted.
//!
//! Owns the request, and the file that a webhook may be described in.

use std::path::Path;

use super::webhook_file;
use crate::cli::options::{ShutdownOptions, Webhook};
use crate::cli::{USAGE, complain};
use crate::client::{self, Process};

/// Asks every wrapper for a graceful shutdown.
// Apart from main, whose frame would else keep room for it in a wrapper that runs for weeks.
#[inline(never)]
pub(in crate::cli) fn shutdown(options: &ShutdownOptions) -> u8 {
    super::become_interruptible();
    let webhook = match options.webhook.as_ref().map(describe).transpose() {
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
                    let asked = |process: &Process| live.saw(n, process);
                    client.drain_by(&request, deadline, asked).await
                } else {
                    client.shut_down_by(&request, deadline).await
                };
                if let Ok(process) = &result {
                    live.saw(n, process);
                }
                super::row(&client, result, waits)
            }
        },
    )
}

fn describe(webhook: &Webhook) -> Result<client::Webhook, String> {
    match webhook {
        Webhook::Url(url) => Ok(client::Webhook {
            url: url.clone(),
            ..client::Webhook::default()
        }),
        Webhook::File(file) => read(file).map_err(|why| {
            format!(
                "--webhook-file {}: {why}; nothing was asked for",
                file.display()
            )
        }),
    }
}

fn read(file: &Path) -> Result<client::Webhook, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    webhook_file::parse(&text).map_err(|error| error.to_string())
}
