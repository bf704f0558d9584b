//! `process-wrapper wait`: waits until the process reaches a state.
//!
//! Owns the progress on the live line. It never reconnects: `crate::client` does.

use super::live::Live;
use crate::cli::options::Wait;
use crate::client::{Error, Process, State, Watch};

/// Waits until the process of every wrapper reaches the state.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn wait(options: &Wait) -> u8 {
    super::unblock_signals();
    let until = options.until;
    super::call_all(
        &options.target,
        Some(options.waiting),
        move |n, client, live, deadline| async move {
            let mut watch = client.watch().until(deadline);
            let result = reach(&mut watch, until, n, &live).await;
            super::row(&client, result, true)
        },
    )
}

/// Watches the process until it reaches the state, and shows each update.
async fn reach(watch: &mut Watch, until: State, n: usize, live: &Live) -> Result<Process, Error> {
    loop {
        let process = watch.next().await?;
        live.update(n, &process);
        if process.state >= until {
            return Ok(process);
        }
    }
}
