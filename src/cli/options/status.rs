//! The options of `status`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::path::PathBuf;

use argh::FromArgs;

use super::ParseRefusal;
use super::target::{Output, Target};
use crate::address::Address;
use crate::client::Identity;
use crate::human_duration::HumanDuration;

/// Show how the wrapped process stands: running, shutting_down or gone, and how it ended.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "status",
    help_triggers("-h", "--help"),
    usage = "[OPTIONS]",
    example = "process-wrapper status",
    example = "process-wrapper status --address unix:///run/a.sock --address tcp://10.0.0.7:7777",
    example = "process-wrapper status --output json | jq -r '.wrappers[0].process.state'",
    note = "Several addresses are asked at the same time and answered in one table; the exit code is\n\
            the worst of them, in the order 4, 3, 1, 5, 0.",
    error_code(0, "answered, whatever the state is"),
    error_code(1, "the wrapper refused, or its answer cannot be understood"),
    error_code(2, "wrong usage or a bad address"),
    error_code(4, "cannot connect, or no answer within --connect-timeout")
)]
pub(super) struct StatusArguments {
    /// where the wrapper listens: unix:///abs, unix:rel or tcp://host:port; repeatable
    /// (default: PROCESS_WRAPPER_ADDRESS, else the default of `run`)
    #[argh(option, arg_name = "address")]
    address: Vec<Address>,

    /// how long to keep trying to connect, and to wait for the answer (default: 5s)
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

impl StatusArguments {
    pub(super) fn validate(self) -> Result<Target, ParseRefusal> {
        Target::new(
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
        )
    }
}
