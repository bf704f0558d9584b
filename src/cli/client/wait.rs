//! `process-wrapper status`, `wait` and `events`: what the process does, without a request to it.
//!
//! Owns what each of them shows and how long it lasts. It never reconnects: `crate::client` does.

use super::{Show, call_all, follow, row, unblock_signals};
use crate::cli::options::{StatusOptions, Wait};
use crate::client::State;

/// Asks every wrapper for the present state of its process, or for all to come. Each state is a
/// success.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn status(options: &StatusOptions) -> u8 {
    unblock_signals();
    if options.watch {
        return follow(&options.target, Show::Watch, None, State::Gone, false);
    }
    call_all(
        &options.target,
        Show::Status,
        None,
        |_, client, _, _| async move {
            let result = client.state().await;
            row(&client, result, false)
        },
    )
}

/// Waits until the process of every wrapper reaches the state.
#[inline(never)]
pub(in crate::cli) fn wait(options: &Wait) -> u8 {
    unblock_signals();
    let (target, waiting) = (&options.target, Some(options.waiting));
    follow(target, Show::Progress, waiting, options.until, true)
}

/// Prints each state of the process of every wrapper.
#[inline(never)]
pub(in crate::cli) fn events(options: &Wait) -> u8 {
    unblock_signals();
    let (target, waiting) = (&options.target, Some(options.waiting));
    follow(target, Show::Events, waiting, options.until, true)
}
