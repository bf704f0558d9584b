//! The options of `shutdown`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::path::PathBuf;
use std::time::Duration;

use argh::FromArgs;

use super::ParseRefusal;
use super::target::{Output, Target, Waiting};
use crate::address::Address;
use crate::client::Identity;
use crate::human_duration::HumanDuration;

/// Ask the wrapped process to finish what it is doing and exit; with --wait, until it is gone.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "shutdown",
    help_triggers("-h", "--help"),
    usage = "[OPTIONS]",
    example = "process-wrapper shutdown",
    example = "process-wrapper shutdown --wait --timeout 2h --address tcp://10.0.0.7:7777",
    example = "process-wrapper shutdown --wait --force-after 1h --kill-after 1m",
    example = "process-wrapper shutdown --webhook https://deploy.example.com/drained",
    note = "Asking again sends no second signal; it can only bring the deadlines nearer. Without\n\
            --force-after and --kill-after, here and on `run`, the process is never killed.\n\
            A connection that is lost while waiting is made again; after --connect-timeout without one\n\
            the wait ends. On a terminal a line on stderr shows how it stands.\n\
            Several addresses are asked at the same time; the exit code is the worst of them, in the\n\
            order 4, 3, 1, 5, 0.",
    error_code(
        0,
        "the request was taken; with --wait: the process has ended with code 0"
    ),
    error_code(
        1,
        "the wrapper refused, or another process has taken the place of the one waited for"
    ),
    error_code(2, "wrong usage, a bad address or an unreadable --webhook-file"),
    error_code(3, "the process is not gone within --timeout"),
    error_code(4, "cannot connect"),
    error_code(
        5,
        "the process is gone but failed; with --propagate-exit its own exit code"
    )
)]
pub(super) struct ShutdownArguments {
    /// where the wrapper listens: unix:///abs, unix:rel or tcp://host:port; repeatable
    /// (default: PROCESS_WRAPPER_ADDRESS, else the default of `run`)
    #[argh(option, arg_name = "address")]
    address: Vec<Address>,

    /// wait until the process is gone
    #[argh(switch)]
    wait: bool,

    /// with --wait: how long to wait (default: as long as it takes)
    #[argh(option, arg_name = "duration")]
    timeout: Option<HumanDuration>,

    /// with --wait: exit with the exit code of the process (128+n if signal n ended it) instead
    /// of 5
    #[argh(switch)]
    propagate_exit: bool,

    /// send TERM if the process is still alive this long from now (default: as `run` says)
    #[argh(option, arg_name = "duration")]
    force_after: Option<HumanDuration>,

    /// send KILL if it is still alive this long after the first TERM (default: as `run` says)
    #[argh(option, arg_name = "duration")]
    kill_after: Option<HumanDuration>,

    /// let the wrapper call this URL once the process is gone (default: none). Other users of
    /// the machine can read it in the list of processes: if it holds a secret, use
    /// --webhook-file
    #[argh(option, arg_name = "url")]
    webhook: Option<String>,

    /// the same, from a file: `[METHOD] URL` on its first line, then lines `Name: value`
    /// (default: none)
    #[argh(option, arg_name = "file")]
    webhook_file: Option<PathBuf>,

    /// how long to keep trying to connect, and to connect again (default: 5s)
    #[argh(option, arg_name = "duration")]
    connect_timeout: Option<HumanDuration>,

    /// authorities that sign the certificate of the wrapper, PEM: tcp addresses speak TLS
    /// (default: none)
    #[argh(option, arg_name = "file")]
    tls_ca: Option<PathBuf>,

    /// our certificate (chain), PEM (default: none)
    #[argh(option, arg_name = "file")]
    tls_cert: Option<PathBuf>,

    /// private key of our certificate, PEM (default: none)
    #[argh(option, arg_name = "file")]
    tls_key: Option<PathBuf>,

    /// name in the certificate of the wrapper (default: the host of the address)
    #[argh(option, arg_name = "name")]
    server_name: Option<String>,

    /// file whose first line is the bearer token to show (default: none)
    #[argh(option, arg_name = "file")]
    token_file: Option<PathBuf>,

    /// the form of the answer on stdout: text or json (default: text)
    #[argh(option, default = "Output::Text", arg_name = "form")]
    output: Output,
}

impl ShutdownArguments {
    pub(super) fn validate(self) -> Result<ShutdownOptions, ParseRefusal> {
        let refused = |text: &str| Err(ParseRefusal::Usage(text.to_owned()));
        if !self.wait && self.timeout.is_some() {
            return refused("--timeout limits a wait; add --wait, or leave it out");
        }
        if !self.wait && self.propagate_exit {
            return refused("--propagate-exit needs the exit of the process; add --wait");
        }
        let webhook = match (self.webhook, self.webhook_file) {
            (None, None) => None,
            (Some(url), None) => Some(Webhook::Url(url)),
            (None, Some(file)) => Some(Webhook::File(file)),
            (Some(_), Some(_)) => {
                return refused(
                    "--webhook and --webhook-file exclude each other; give one of them",
                );
            }
        };
        Ok(ShutdownOptions {
            target: Target::new(
                self.address,
                self.connect_timeout,
                self.output,
                Identity {
                    authorities: self.tls_ca,
                    certificate: self.tls_cert,
                    key: self.tls_key,
                    server_name: self.server_name,
                    token: self.token_file,
                },
            )?,
            waiting: self
                .wait
                .then(|| Waiting::new(self.timeout, self.propagate_exit))
                .transpose()?,
            force_after: self.force_after.map(|span| span.0),
            kill_after: self.kill_after.map(|span| span.0),
            webhook,
        })
    }
}

/// `shutdown`, validated.
#[derive(Debug)]
pub(in crate::cli) struct ShutdownOptions {
    pub(in crate::cli) target: Target,
    /// `None` does not wait.
    pub(in crate::cli) waiting: Option<Waiting>,
    pub(in crate::cli) force_after: Option<Duration>,
    pub(in crate::cli) kill_after: Option<Duration>,
    pub(in crate::cli) webhook: Option<Webhook>,
}

/// Where the webhook of a request is described.
#[derive(Debug)]
pub(in crate::cli) enum Webhook {
    Url(String),
    File(PathBuf),
}
