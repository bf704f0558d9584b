//! The options of `wait`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use super::target::{Target, Waiting, client_arguments};
use crate::human_duration::HumanDuration;
use crate::lifecycle::State;

client_arguments! {
    connect_timeout = "how long to keep trying to connect or reconnect (default: 5s)";
    output = "text|json";
    /// Wait until the wrapped process reaches a state, without sending it a request.
    #[argh(
        subcommand,
        name = "wait",
        help_triggers("-h", "--help"),
        example = "process-wrapper wait",
        example = "process-wrapper wait --until shutting_down --timeout 1h30m",
        example = "process-wrapper wait --until running --connect-timeout 2m   # until the wrapper is up",
        note = "A later state counts as well. A wait reconnects after a lost connection, and \
                ends after --connect-timeout without one. On a terminal a line on stderr shows \
                the progress.\n\
                Several addresses are called in parallel. The worst exit code wins, in the \
                order 4, 3, 1, 6, 5, 0.",
        error_code(0, "the process reached the state; if gone, it drained, or ended with 0 unasked"),
        error_code(
            1,
            "the wrapper refused, or it was restarted with another process during the wait"
        ),
        error_code(2, "wrong usage or a bad address"),
        error_code(3, "the process did not reach the state within --timeout"),
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
    struct WaitArguments {
        /// state to wait for: running, shutting_down or gone (default: gone)
        #[argh(option, default = "State::Gone", arg_name = "running|shutting_down|gone")]
        until: State,

        /// how long to wait (default: no limit)
        #[argh(option, arg_name = "duration")]
        timeout: Option<HumanDuration>,

        /// exit with the exit code of the process (128+n if signal n ended it) unless that is 0,
        /// instead of 5 or 6
        #[argh(switch)]
        propagate_exit: bool,
    }
}

impl WaitArguments {
    pub(super) fn validate(mut self) -> Result<Wait, String> {
        Ok(Wait {
            target: self.take_target()?,
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
