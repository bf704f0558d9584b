//! `process-wrapper wait`: until a state is reached.
//!
//! Owns how a wait shows on the live line. The waiting itself is the client's.

use super::live::Live;
use crate::cli::options::Wait;
use crate::client::{Error, Process, State, Watch};

/// Waits until the process of every wrapper has reached the state.
// Apart from main, whose frame would else keep room for it in a wrapper that runs for weeks.
#[inline(never)]
pub(in crate::cli) fn wait(options: &Wait) -> u8 {
    super::become_interruptible();
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

/// Follows the process to the state, and shows each step.
async fn reach(watch: &mut Watch, until: State, n: usize, live: &Live) -> Result<Process, Error> {
    loop {
        let process = watch.next().await?;
        live.saw(n, &process);
        if process.state >= until {
            return Ok(process);
        }
    }
}
