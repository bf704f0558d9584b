//! `process-wrapper status`: how the process stands.
//!
//! Owns that one question. Whatever the answer is, it succeeds.

use crate::cli::options::Target;

/// Asks every wrapper for its process as it is now.
// Apart from main, whose frame would else keep room for it in a wrapper that runs for weeks.
#[inline(never)]
pub(in crate::cli) fn status(target: &Target) -> u8 {
    super::become_interruptible();
    super::call_all(target, None, |_, client, _, _| async move {
        let result = client.state().await;
        super::row(&client, result, false)
    })
}
