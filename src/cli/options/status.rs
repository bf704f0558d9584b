//! The options of `status`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use super::target::{Target, client_arguments};

client_arguments! {
    connect_timeout = "how long to keep trying to connect, and to wait for the answer (default: 5s)";
    output = "text|json";
    /// Show the state of the wrapped process (running, shutting_down or gone) and its exit status.
    #[argh(
        subcommand,
        name = "status",
        help_triggers("-h", "--help"),
        example = "process-wrapper status",
        example = "process-wrapper status --address unix:///run/a.sock --address tcp://10.0.0.7:7777",
        example = "process-wrapper status --watch",
        example = "process-wrapper status --output json | jq -r '.wrappers[0].process.state'",
        note = "Several addresses are called in parallel and shown in one table. The worst \
                exit code wins, in the order 4, 1, 0.\n\
                On a terminal a table is cut to the width of the terminal. With --watch the \
                display there changes with the state; elsewhere each change is a line, as of \
                `events`. Nothing polls: the wrapper answers at each change. A lost connection is \
                made again, as by `wait`.",
        error_code(0, "the wrapper answered, in any state of the process"),
        error_code(1, "the wrapper refused, or its answer cannot be understood"),
        error_code(2, "wrong usage or a bad address"),
        error_code(4, "cannot connect, or no answer within --connect-timeout")
    )]
    struct StatusArguments {
        /// keep showing the state until the process is gone
        #[argh(switch)]
        watch: bool,
    }
}

impl StatusArguments {
    pub(super) fn validate(mut self) -> Result<StatusOptions, String> {
        Ok(StatusOptions {
            target: self.take_target()?,
            watch: self.watch,
        })
    }
}

/// `status`, validated.
#[derive(Debug)]
pub(in crate::cli) struct StatusOptions {
    pub(in crate::cli) target: Target,
    pub(in crate::cli) watch: bool,
}
