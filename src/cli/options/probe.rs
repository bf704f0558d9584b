//! The options of `probe`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use std::time::Duration;

use super::target::{Target, client_arguments};
use crate::human_duration::HumanDuration;

client_arguments! {
    connect_timeout = "how long to keep trying to connect, within --timeout (default: 5s)";
    output = "text|json";
    /// Ask for the health of the wrapper or the process (grpc.health.v1), for exec probes.
    #[argh(
        subcommand,
        name = "probe",
        help_triggers("-h", "--help"),
        example = "process-wrapper probe",
        example = "process-wrapper probe --service process",
        example = "process-wrapper probe --address tcp://127.0.0.1:7777 --timeout 3s",
        note = "Without --service the answer is about the wrapper, which is SERVING while it \
                lives: a liveness probe. `--service process` is SERVING only while the process \
                is running, neither shutting_down nor gone: a readiness probe. Full gRPC \
                service names work as well.\n\
                Several addresses are probed in parallel. The worst exit code wins, in the \
                order 4, 3, 1, 0.",
        error_code(0, "SERVING"),
        error_code(1, "not SERVING, or the wrapper has no such service"),
        error_code(2, "wrong usage or a bad address"),
        error_code(3, "connected, but no answer within --timeout"),
        error_code(4, "cannot connect")
    )]
    struct ProbeArguments {
        /// service to ask for (default: the wrapper itself)
        #[argh(option, default = "String::new()", arg_name = "name")]
        service: String,

        /// limit of the whole probe, connecting included (default: 1s)
        #[argh(
            option,
            default = "HumanDuration(Duration::from_secs(1))",
            arg_name = "duration"
        )]
        timeout: HumanDuration,
    }
}

impl ProbeArguments {
    pub(super) fn validate(mut self) -> Result<Probe, String> {
        if self.timeout.0.is_zero() {
            let text = "--timeout must be longer than 0; write for example 1s";
            return Err(text.to_owned());
        }
        Ok(Probe {
            target: self.take_target()?,
            service: self.service,
            timeout: self.timeout.0,
        })
    }
}

/// `probe`, validated.
#[derive(Debug)]
pub(in crate::cli) struct Probe {
    pub(in crate::cli) target: Target,
    /// Empty: the wrapper itself.
    pub(in crate::cli) service: String,
    pub(in crate::cli) timeout: Duration,
}
