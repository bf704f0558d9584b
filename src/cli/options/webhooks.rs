//! The options of `webhooks`.
//!
//! Owns their names, help texts and validation. It never opens the directory.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::Output;
use crate::spool::markers::Order;
use crate::spool::record::is_id;

/// List the webhooks in the state directory of a wrapper, or have it retry or drop one.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "webhooks",
    help_triggers("-h", "--help"),
    example = "process-wrapper webhooks list --state-dir /var/lib/process-wrapper",
    example = "process-wrapper webhooks retry msg_5b0c6a2e9d1f4e73a8c2b6f01d94e7a3 --state-dir /run/state",
    note = "It needs no connection: it reads the directory, as the wrapper's user or root. retry \
            and drop leave a marker file, which the wrapper takes up at once, or the next one at \
            its start.",
    error_code(0, "done, or the marker was left"),
    error_code(
        1,
        "the directory cannot be read or written, or it has no such webhook"
    ),
    error_code(2, "wrong usage")
)]
pub(super) struct WebhooksArguments {
    /// list: show them; retry: deliver one that failed, with its whole time again; drop: forget one
    #[argh(positional)]
    action: String,

    /// webhook to retry or drop, as list shows it
    #[argh(positional)]
    id: Option<String>,

    /// directory of `run --state-dir` (default: none, so name it)
    #[argh(option, arg_name = "dir")]
    state_dir: PathBuf,

    /// format of list: text or json (default: text)
    #[argh(option, short = 'o', default = "Output::Text", arg_name = "text|json")]
    output: Output,
}

/// `webhooks`, validated.
#[derive(Debug)]
pub(in crate::cli) struct WebhooksCommand {
    pub(in crate::cli) directory: PathBuf,
    pub(in crate::cli) action: WebhooksAction,
}

/// What to do.
#[derive(Debug)]
pub(in crate::cli) enum WebhooksAction {
    List(Output),
    /// About the webhook with this id.
    Order(String, Order),
}

impl WebhooksArguments {
    pub(super) fn validate(self) -> Result<WebhooksCommand, String> {
        let order = match self.action.as_str() {
            "list" => None,
            "retry" => Some(Order::Retry),
            "drop" => Some(Order::Drop),
            other => return Err(format!("{other:?} is no action; write list, retry or drop")),
        };
        let action = match (order, self.id) {
            (None, None) => WebhooksAction::List(self.output),
            (None, Some(id)) => return Err(format!("list takes no id; leave {id:?} out")),
            (Some(_), None) => {
                return Err("the id is missing; `webhooks list` shows them".to_owned());
            }
            (Some(_), Some(id)) if !is_id(&id) => {
                return Err(format!("{id:?} is no id; `webhooks list` shows them"));
            }
            (Some(order), Some(id)) => WebhooksAction::Order(id, order),
        };
        Ok(WebhooksCommand {
            directory: self.state_dir,
            action,
        })
    }
}
