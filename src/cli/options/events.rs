//! The options of `events`.
//!
//! Owns their names, help texts and validation. It never acts on them.

use super::target::{Waiting, client_arguments};
use super::wait::Wait;
use crate::human_duration::HumanDuration;
use crate::lifecycle::State;

client_arguments! {
    connect_timeout = "how long to keep trying to connect or reconnect (default: 5s)";
    output = "text|jsonl";
    /// Print the state of the wrapped process, and each change of it, until the process is gone.
    #[argh(
        subcommand,
        name = "events",
        help_triggers("-h", "--help"),
        example = "process-wrapper events",
        example = "process-wrapper events --output jsonl | jq --unbuffered -r .process.state",
        note = "Each event is one line, written at once: the time, the wrapper, and the process. \
                With jsonl it is one JSON object. Nothing polls: the wrapper answers at each \
                change. A lost connection is made again, and the command ends after \
                --connect-timeout without one.\n\
                Events of several addresses are merged. The worst exit code wins, in the order \
                4, 3, 1, 6, 5, 0.",
        error_code(0, "the process is gone; it drained, or ended with 0 unasked"),
        error_code(
            1,
            "the wrapper refused, it was restarted with another process, or stdout was closed"
        ),
        error_code(2, "wrong usage or a bad address"),
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
    struct EventsArguments {
        /// how long to wait (default: no limit)
        #[argh(option, arg_name = "duration")]
        timeout: Option<HumanDuration>,

        /// exit with the exit code of the process (128+n if signal n ended it) unless that is 0,
        /// instead of 5 or 6
        #[argh(switch)]
        propagate_exit: bool,
    }
}

impl EventsArguments {
    pub(super) fn validate(mut self) -> Result<Wait, String> {
        Ok(Wait {
            target: self.take_target()?,
            until: State::Gone,
            waiting: Waiting::new(self.timeout, self.propagate_exit)?,
        })
    }
}
