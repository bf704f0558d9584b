//! The options of `shutdown`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::path::PathBuf;
use std::time::Duration;

use super::target::{Target, Waiting, client_arguments};
use crate::human_duration::HumanDuration;

client_arguments! {
    connect_timeout = "how long to keep trying to connect or reconnect (default: 5s)";
    output = "text|json";
    /// Ask the wrapped process to finish its work and exit; with --wait, wait until it is gone.
    #[argh(
        subcommand,
        name = "shutdown",
        help_triggers("-h", "--help"),
        example = "process-wrapper shutdown",
        example = "process-wrapper shutdown --wait --timeout 2h --address tcp://10.0.0.7:7777",
        example = "process-wrapper shutdown --wait --force-after 1h --kill-after 1m",
        example = "process-wrapper shutdown --webhook https://deploy.example.com/drained",
        note = "A repeated request sends no second signal unless it has --again; it can only \
                bring the deadlines forward.\n\
                Without --force-after and --kill-after, here and on `run`, the process is \
                never killed.\n\
                A wait reconnects after a lost connection, and ends after --connect-timeout \
                without one.\n\
                On a terminal a line on stderr shows the progress.\n\
                Several addresses are called in parallel. The worst exit code wins, in the \
                order 4, 3, 1, 6, 5, 0.",
        error_code(
            0,
            "the request was accepted; with --wait: the process drained, or ended with 0 unasked"
        ),
        error_code(
            1,
            "the wrapper refused, or it was restarted with another process during the wait"
        ),
        error_code(2, "wrong usage, a bad address or an unreadable --webhook-file"),
        error_code(3, "the process is not gone within --timeout"),
        error_code(4, "cannot connect"),
        error_code(
            5,
            "the process failed; with --propagate-exit its own exit code instead"
        ),
        error_code(
            6,
            "the process was aborted or killed; with --propagate-exit its own exit code unless 0"
        )
    )]
    struct ShutdownArguments {
        /// wait until the process is gone
        #[argh(switch)]
        wait: bool,

        /// with --wait: how long to wait (default: no limit)
        #[argh(option, arg_name = "duration")]
        timeout: Option<HumanDuration>,

        /// with --wait: exit with the exit code of the process (128+n if signal n ended it) unless
        /// that is 0, instead of 5 or 6
        #[argh(switch)]
        propagate_exit: bool,

        /// send the signal of the present stage again if the last one is at least 1s old: the
        /// repair for a process that has dropped it
        #[argh(switch)]
        again: bool,

        /// begin the abort (send TERM, or the --forceful-signal of `run`) if the process is alive
        /// after this long (default: the value of `run`)
        #[argh(option, arg_name = "duration")]
        force_after: Option<HumanDuration>,

        /// send KILL if it is alive this long after the abort began (default: the value of `run`)
        #[argh(option, arg_name = "duration")]
        kill_after: Option<HumanDuration>,

        /// URL that the wrapper calls once the process is gone (default: none). Other users can
        /// read command lines; put a secret URL into --webhook-file
        #[argh(option, arg_name = "url")]
        webhook: Option<String>,

        /// file of one webhook: a line `[METHOD] URL`, then header lines `Name: value`
        /// (default: none)
        #[argh(option, arg_name = "file")]
        webhook_file: Option<PathBuf>,
    }
}

impl ShutdownArguments {
    pub(super) fn validate(mut self) -> Result<ShutdownOptions, String> {
        let refused = |text: &str| Err(text.to_owned());
        if !self.wait && self.timeout.is_some() {
            return refused("--timeout limits a wait; add --wait, or omit --timeout");
        }
        if !self.wait && self.propagate_exit {
            return refused("--propagate-exit needs the exit of the process; add --wait");
        }
        let target = self.take_target()?;
        let webhook = match (self.webhook, self.webhook_file) {
            (None, None) => None,
            (Some(url), None) => Some(WebhookSource::Url(url)),
            (None, Some(file)) => Some(WebhookSource::File(file)),
            (Some(_), Some(_)) => {
                return refused(
                    "--webhook and --webhook-file exclude each other; give one of them",
                );
            }
        };
        Ok(ShutdownOptions {
            target,
            waiting: self
                .wait
                .then(|| Waiting::new(self.timeout, self.propagate_exit))
                .transpose()?,
            force_after: self.force_after.map(|duration| duration.0),
            kill_after: self.kill_after.map(|duration| duration.0),
            again: self.again,
            webhook,
        })
    }
}

/// `shutdown`, validated.
#[derive(Debug)]
pub(in crate::cli) struct ShutdownOptions {
    pub(in crate::cli) target: Target,
    /// `None`: do not wait.
    pub(in crate::cli) waiting: Option<Waiting>,
    pub(in crate::cli) force_after: Option<Duration>,
    pub(in crate::cli) kill_after: Option<Duration>,
    pub(in crate::cli) again: bool,
    pub(in crate::cli) webhook: Option<WebhookSource>,
}

/// The value of `--webhook` or `--webhook-file`.
#[derive(Debug)]
pub(in crate::cli) enum WebhookSource {
    Url(String),
    File(PathBuf),
}
