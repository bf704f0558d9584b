//! `process-wrapper probe`: asks for the health of the wrapper or the process.
//!
//! Owns the mapping from health to outcome. It never prints.

use super::row::{Row, RowAnswer, RowOutcome};
use super::{Show, explain};
use crate::cli::options::Probe;
use crate::client::Health;

/// Asks every wrapper for the health of the service.
// Not inlined: `main` would reserve stack space for it while `run` runs for weeks.
#[inline(never)]
pub(in crate::cli) fn probe(options: &Probe) -> u8 {
    super::unblock_signals();
    let timeout = Some(options.timeout);
    super::call_all(&options.target, Show::Answer, None, |_, client, _, _| {
        let service = options.service.clone();
        async move {
            let address = client.address().to_string();
            match client.health(&service, timeout).await {
                Ok(health) => Row {
                    address,
                    outcome: match health {
                        Health::Serving => RowOutcome::Done,
                        Health::NotServing | Health::Unknown => RowOutcome::Failed,
                    },
                    answer: RowAnswer::Health { service, health },
                    error: None,
                },
                Err(error) => Row {
                    address,
                    outcome: RowOutcome::from(&error),
                    answer: RowAnswer::Nothing,
                    error: Some(explain(&client, &error)),
                },
            }
        }
    })
}
