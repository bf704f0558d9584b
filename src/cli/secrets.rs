//! Loads the token and TLS files and reloads them when they change.
//!
//! Owns the log lines about them. It never logs file contents.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use smol::LocalExecutor;

use crate::access::{TlsOptions, Tokens};
use crate::clock::MonotonicClock;
use crate::net::reload::{ReloadError, Reloadable, is_world_readable};
use crate::net::tls::ServerTls;

/// Loads the tokens of `file` and keeps them current.
pub(super) fn tokens(
    file: &Path,
    executor: &LocalExecutor<'static>,
) -> Result<Rc<Reloadable<Tokens>>, ReloadError> {
    let path = file.to_owned();
    let files = Reloadable::new(vec![path.clone()], move |contents| {
        let text = contents.first().map_or(&[][..], Vec::as_slice);
        Tokens::parse(text).map_err(|error| ReloadError::new(&path, error))
    })?;
    warn_if_open(file);
    Ok(spawn_reload(files, executor))
}

/// Loads the TLS files and keeps them current; `None` without TLS options.
pub(super) fn tls(
    options: &TlsOptions,
    executor: &LocalExecutor<'static>,
) -> Result<Option<Rc<Reloadable<ServerTls>>>, ReloadError> {
    let Some(files) = ServerTls::read(options)? else {
        return Ok(None);
    };
    if let Some(key) = &options.key {
        warn_if_open(key);
    }
    Ok(Some(spawn_reload(files, executor)))
}

/// Warns about a secret file that every user can read.
pub(super) fn warn_if_open(file: &Path) {
    if is_world_readable(file) {
        tracing::warn!(
            file = %file.display(),
            "every user of this machine can read this secret; chmod 600 it"
        );
    }
}

/// Reloads the files in the background until the process exits.
fn spawn_reload<T: Debug + 'static>(
    files: Reloadable<T>,
    executor: &LocalExecutor<'static>,
) -> Rc<Reloadable<T>> {
    let files = Rc::new(files);
    let watched = Rc::clone(&files);
    let log = |files: &[PathBuf], result: Result<(), ReloadError>| match result {
        Ok(()) => tracing::info!(?files, "files reloaded"),
        Err(error) => tracing::warn!(%error, "reload failed; the previous contents stay in force"),
    };
    executor
        .spawn(async move { watched.watch(MonotonicClock, log).await })
        .detach();
    files
}
