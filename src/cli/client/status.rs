//! `process-wrapper status`: shows the state of the process.
//!
//! Owns that call; each state counts as success. It never waits for a change.

use crate::cli::options::Target;

/// Asks every wrapper for the present state of its process.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn status(target: &Target) -> u8 {
    super::unblock_signals();
    super::call_all(target, None, |_, client, _, _| async move {
        let result = client.state().await;
        super::row(&client, result, false)
    })
}
