//! The options of `wait`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::path::PathBuf;

use argh::FromArgs;

use super::ParseRefusal;
use super::target::{Output, Target, Waiting};
use crate::address::Address;
use crate::client::Identity;
use crate::human_duration::HumanDuration;
use crate::lifecycle::State;

/// Wait until the wrapped process has reached a state, without asking it for anything.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "wait",
    help_triggers("-h", "--help"),
    usage = "[OPTIONS]",
    example = "process-wrapper wait",
    example = "process-wrapper wait --until shutting_down --timeout 1h30m",
    example = "process-wrapper wait --until running --connect-timeout 2m   # until the wrapper is up",
    note = "A later state counts as well. A connection that is lost is made again; after\n\
            --connect-timeout without one the wait ends. On a terminal a line on stderr shows how it\n\
            stands.\n\
            Several addresses are waited for at the same time; the exit code is the worst of them, in the\n\
            order 4, 3, 1, 5, 0.",
    error_code(0, "the state is reached, and the process did not fail"),
    error_code(
        1,
        "the wrapper refused, or another process has taken the place of the one waited for"
    ),
    error_code(2, "wrong usage or a bad address"),
    error_code(3, "the state was not reached within --timeout"),
    error_code(4, "cannot connect"),
    error_code(
        5,
        "the process is gone but failed; with --propagate-exit its own exit code"
    )
)]
pub(super) struct WaitArguments {
    /// where the wrapper listens: unix:///abs, unix:rel or tcp://host:port; repeatable
    /// (default: PROCESS_WRAPPER_ADDRESS, else the default of `run`)
    #[argh(option, arg_name = "address")]
    address: Vec<Address>,

    /// the state to wait for: running, shutting_down or gone (default: gone)
    #[argh(option, default = "State::Gone", arg_name = "state")]
    until: State,

    /// how long to wait (default: as long as it takes)
    #[argh(option, arg_name = "duration")]
    timeout: Option<HumanDuration>,

    /// exit with the exit code of the process (128+n if signal n ended it) instead of 5
    #[argh(switch)]
    propagate_exit: bool,

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

impl WaitArguments {
    pub(super) fn validate(self) -> Result<Wait, ParseRefusal> {
        Ok(Wait {
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
            until: self.until,
            waiting: Waiting::new(self.timeout, self.propagate_exit)?,
        })
    }
}

/// `wait`, validated.
#[derive(Debug)]
pub(in crate::cli) struct Wait {
    pub(in crate::cli) target: Target,
    pub(in crate::cli) until: State,
    pub(in crate::cli) waiting: Waiting,
}
