//! The options of `status`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use super::target::{Target, client_arguments};

client_arguments! {
    connect_timeout = "how long to keep trying to connect, and to wait for the answer (default: 5s)";
    /// Show the state of the wrapped process (running, shutting_down or gone) and its exit status.
    #[argh(
        subcommand,
        name = "status",
        help_triggers("-h", "--help"),
        example = "process-wrapper status",
        example = "process-wrapper status --address unix:///run/a.sock --address tcp://10.0.0.7:7777",
        example = "process-wrapper status --output json | jq -r '.wrappers[0].process.state'",
        note = "Several addresses are called in parallel and shown in one table. The worst \
                exit code wins, in the order 4, 1, 0.",
        error_code(0, "the wrapper answered, in any state of the process"),
        error_code(1, "the wrapper refused, or its answer cannot be understood"),
        error_code(2, "wrong usage or a bad address"),
        error_code(4, "cannot connect, or no answer within --connect-timeout")
    )]
    struct StatusArguments {
    }
}

impl StatusArguments {
    pub(super) fn validate(mut self) -> Result<Target, String> {
        self.take_target()
    }
}
