//! The options of `probe`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::path::PathBuf;
use std::time::Duration;

use argh::FromArgs;

use super::ParseRefusal;
use super::target::{Output, Target};
use crate::address::Address;
use crate::client::Identity;
use crate::human_duration::HumanDuration;

/// Ask for the health of the wrapper or the process (grpc.health.v1), for exec probes.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "probe",
    help_triggers("-h", "--help"),
    usage = "[OPTIONS]",
    example = "process-wrapper probe",
    example = "process-wrapper probe --service process",
    example = "process-wrapper probe --address tcp://127.0.0.1:7777 --timeout 3s",
    note = "Without --service the wrapper itself is asked about, which serves as long as it lives: a\n\
            liveness probe. `process` serves only while the process is running, neither shutting_down nor\n\
            gone: a readiness probe. Full names of gRPC services are known as well.\n\
            Several addresses are asked at the same time; the exit code is the worst of them, in the\n\
            order 4, 3, 1, 0.",
    error_code(0, "SERVING"),
    error_code(1, "not SERVING, or the wrapper knows no such service"),
    error_code(2, "wrong usage or a bad address"),
    error_code(3, "connected, but no answer within --timeout"),
    error_code(4, "cannot connect")
)]
pub(super) struct ProbeArguments {
    /// where the wrapper listens: unix:///abs, unix:rel or tcp://host:port; repeatable
    /// (default: PROCESS_WRAPPER_ADDRESS, else the default of `run`)
    #[argh(option, arg_name = "address")]
    address: Vec<Address>,

    /// whose health to ask for (default: the wrapper's own)
    #[argh(option, default = "String::new()", arg_name = "name")]
    service: String,

    /// how long the whole probe may take, connecting included (default: 1s)
    #[argh(
        option,
        default = "HumanDuration(Duration::from_secs(1))",
        arg_name = "duration"
    )]
    timeout: HumanDuration,

    /// how long to keep trying to connect, within --timeout (default: 5s)
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

impl ProbeArguments {
    pub(super) fn validate(self) -> Result<Probe, ParseRefusal> {
        if self.timeout.0.is_zero() {
            let text = "--timeout must be longer than 0; write for example 1s";
            return Err(ParseRefusal::Usage(text.to_owned()));
        }
        Ok(Probe {
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
            service: self.service,
            timeout: self.timeout.0,
        })
    }
}

/// `probe`, validated.
#[derive(Debug)]
pub(in crate::cli) struct Probe {
    pub(in crate::cli) target: Target,
    /// Empty for the wrapper itself.
    pub(in crate::cli) service: String,
    pub(in crate::cli) timeout: Duration,
}
