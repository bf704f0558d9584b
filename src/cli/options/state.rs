//! The options of `run` about the state directory.
//!
//! Owns their combination. It never opens the directory.

use std::path::PathBuf;
use std::time::Duration;

use super::stages::RunRefusal;
use crate::human_duration::HumanDuration;

/// The default of `--keep-failed`.
const KEEP_FAILED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The options of the state directory, validated.
#[derive(Debug)]
pub(in crate::cli) struct StateOptions {
    pub(in crate::cli) directory: PathBuf,
    pub(in crate::cli) best_effort: bool,
    pub(in crate::cli) keep_failed: Duration,
}

/// Refuses what has no effect without the directory.
pub(super) fn options(
    directory: Option<PathBuf>,
    best_effort: bool,
    keep_failed: Option<HumanDuration>,
) -> Result<Option<StateOptions>, RunRefusal> {
    match directory {
        Some(directory) => Ok(Some(StateOptions {
            directory,
            best_effort,
            keep_failed: keep_failed.map_or(KEEP_FAILED, |span| span.0),
        })),
        None if best_effort => Err(RunRefusal::NoStateDir("--state-best-effort")),
        None if keep_failed.is_some() => Err(RunRefusal::NoStateDir("--keep-failed")),
        None => Ok(None),
    }
}
