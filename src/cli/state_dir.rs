//! Opens the state directory and reads what the last wrapper left in it.
//!
//! Owns the log lines about it, and which files have been kept long enough. It never delivers a
//! webhook.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::cli::options::StateOptions;
use crate::spool::directory::{Directory, DirectoryError, Found};
use crate::spool::markers::{MarkerWatch, Order};
use crate::spool::record::Record;
use crate::spool::writer::Writer;
use crate::webhook::journal::Journal;

/// Why `--state-dir` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateDirError {
    #[error("--state-dir: {0}")]
    Directory(#[from] DirectoryError),
    #[error("--state-dir: directory {0:?} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("--state-dir: no thread could be started: {0}")]
    Thread(std::io::Error),
}

impl StateDirError {
    /// Whether another directory or other permissions would help, rather than another attempt.
    pub(super) fn is_usage(&self) -> bool {
        match self {
            Self::Directory(
                DirectoryError::Open { .. } | DirectoryError::Link(_) | DirectoryError::NotALock(_),
            ) => true,
            Self::Directory(DirectoryError::Failed { .. } | DirectoryError::InUse(_))
            | Self::Read(..)
            | Self::Thread(_) => false,
        }
    }
}

/// Opens the directory, and gives the webhooks in it.
pub(super) async fn open(options: &StateOptions) -> Result<(Journal, Vec<Record>), StateDirError> {
    let (path, keep) = (options.directory.clone(), options.keep_failed);
    // A disk may hang, and this thread handles signals.
    let loaded = crate::thread::run(move || load(path, keep)).await;
    let (directory, records, watch) = loaded.map_err(StateDirError::Thread)??;
    if !records.is_empty() {
        let directory = directory.path().display();
        tracing::info!(%directory, webhooks = records.len(), "an earlier wrapper has left webhooks");
    }
    let writer = Writer::start(directory).map_err(StateDirError::Thread)?;
    Ok((Journal::new(writer, options.best_effort, watch), records))
}

type OpenedState = (Directory, Vec<Record>, Option<MarkerWatch>);

/// Blocks.
fn load(path: PathBuf, keep: Duration) -> Result<OpenedState, StateDirError> {
    let directory = Directory::open(&path)?;
    // Before the look at the markers, so that none is missed.
    let watch = MarkerWatch::new(directory.path())
        .inspect_err(|error| {
            tracing::warn!(%error, "orders about webhooks wait for the next start");
        })
        .ok();
    if let Some(parent) = directory.unsafe_parent() {
        tracing::warn!(
            directory = %directory.path().display(),
            above = %parent.directory.display(),
            why = %parent.why,
            "another user could move the state directory away; its webhooks would then be lost"
        );
    }
    let found = directory
        .load(|record| is_over(record, keep, SystemTime::now()))
        .map_err(|error| StateDirError::Read(path, error))?;
    let mut records = Vec::new();
    for found in found {
        match found {
            Found::Record(record) => records.push(*record),
            Found::SetAside { name, why } => {
                let name = name.to_string_lossy();
                tracing::warn!(%name, %why, "a file of the state directory was set aside as .bad");
            }
            Found::Left { name, why } => {
                let name = name.to_string_lossy();
                tracing::warn!(%name, %why, "a file of the state directory is left unread");
            }
        }
    }
    obey(&directory, &mut records);
    // The oldest first, as they were accepted.
    records.sort_by_key(|record| record.accepted_at);
    Ok((directory, records, watch))
}

/// Does what operators have ordered while no wrapper ran. On failure the next start does it again.
fn obey(directory: &Directory, records: &mut Vec<Record>) {
    for (id, order) in directory.orders().unwrap_or_default() {
        let done = match order {
            Order::Drop => {
                records.retain(|record| record.id != id);
                directory.remove(&id).is_ok()
            }
            Order::Retry => {
                match records.iter_mut().find(|record| record.id == id) {
                    Some(record) => retry(directory, record),
                    // A file that was not read keeps its order.
                    None => !directory.has(&id),
                }
            }
        };
        let word = order.as_str();
        tracing::info!(id, order = word, "an operator has left an order");
        if done {
            let _ = directory.obeyed(&id, order);
        } else {
            tracing::warn!(
                id,
                order = word,
                "the order of an operator waits for the next start"
            );
        }
    }
}

/// Makes a failed webhook pending, on disk first: its marker is removed then.
fn retry(directory: &Directory, record: &mut Record) -> bool {
    if record.failed_at.take().is_some() {
        record.due_at = Some(SystemTime::now());
    }
    let written = record
        .encode()
        .map(|bytes| directory.write(&record.id, &bytes));
    matches!(written, Ok(Ok(())))
}

/// Whether a webhook was given up so long ago that it is no longer kept.
fn is_over(record: &Record, keep: Duration, now: SystemTime) -> bool {
    let since = |failed_at: SystemTime| now.duration_since(failed_at).unwrap_or_default();
    record.failed_at.is_some_and(|at| since(at) >= keep)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use super::*;
    use crate::spool::markers::leave;

    #[test]
    fn an_order_about_an_unread_file_waits_for_a_later_start() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("state")).unwrap();
        let id = format!("msg_{}", "1".repeat(32));
        directory.write(&id, b"unread").unwrap();
        leave(directory.path(), &id, Order::Retry).unwrap();
        obey(&directory, &mut Vec::new());
        assert_eq!(directory.orders().unwrap(), [(id.clone(), Order::Retry)]);
        directory.remove(&id).unwrap();
        obey(&directory, &mut Vec::new());
        assert_eq!(directory.orders().unwrap(), []);
    }
}
