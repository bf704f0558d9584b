//! Starts the process, and makes sure that the webhooks of the command line report its end.
//!
//! Owns the order of the two. It never decides what runs.

use std::time::SystemTime;

use crate::process::child::{Child, Program, SpawnError};
use crate::process::self_process::hostname;
use crate::process::sentinel::Sentinel;
use crate::webhook::exit_report::ExitReport;
use crate::webhook::{Dispatcher, RegisterError};

/// Why the process was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartProcessError {
    #[error("{0}; free the disk, or add --state-best-effort")]
    NotDurable(#[from] RegisterError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Starts the program. If a state directory keeps webhooks of the command line, it does not run
/// before they are on disk with its identity: a wrapper that is killed at any point then leaves
/// both, or a process that never runs.
pub(super) async fn spawn(
    program: &Program,
    sentinel: Option<&Sentinel>,
    webhooks: &Dispatcher,
) -> Result<Child, StartProcessError> {
    if !webhooks.is_durable() || webhooks.slots().is_empty() {
        return Ok(match sentinel {
            Some(sentinel) => Child::spawn_watched(program, sentinel)?,
            None => Child::spawn(program, &[])?,
        });
    }
    let held = Child::spawn_held(program, sentinel)?;
    let name = program.name.to_string_lossy().into_owned();
    let report = ExitReport::unseen(name, held.pid(), hostname(), SystemTime::now());
    let started = match webhooks.write_initial(&report).await {
        Ok(()) => held.release(program).map_err(StartProcessError::from),
        Err(error) => Err(error.into()),
    };
    if started.is_err() {
        webhooks.forget_initial();
        webhooks.close().await;
    }
    started
}
