//! Loads the token and TLS files and reloads them when they change.
//!
//! Owns the log lines about them. It never logs file contents.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use smol::LocalExecutor;

use crate::access::{TlsOptions, Tokens};
use crate::clock::MonotonicClock;
use crate::net::file::world_access;
use crate::net::reload::{ReloadError, Reloadable};
use crate::net::tls::ServerTls;

/// A file of an option that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{option} {error}")]
pub(super) struct FileOptionError {
    option: String,
    error: ReloadError,
}

/// Loads the tokens of `file` and keeps them current.
pub(super) fn tokens(
    file: &Path,
    executor: &LocalExecutor<'static>,
) -> Result<Rc<Reloadable<Tokens>>, FileOptionError> {
    let path = file.to_owned();
    let files = Reloadable::new(vec![path.clone()], move |contents| {
        let text = contents.first().map_or(&[][..], Vec::as_slice);
        Tokens::parse(text).map_err(|error| ReloadError::new(&path, error))
    });
    let files = files.map_err(|error| FileOptionError {
        option: "--token-file".to_owned(),
        error,
    })?;
    warn_if_open(file);
    Ok(spawn_reload(files, executor))
}

/// Loads the TLS files and keeps them current; `None` without TLS options.
pub(super) fn tls(
    options: &TlsOptions,
    executor: &LocalExecutor<'static>,
) -> Result<Option<Rc<Reloadable<ServerTls>>>, FileOptionError> {
    let files = ServerTls::read(options).map_err(|error| FileOptionError {
        option: tls_option(options, &error.path),
        error,
    })?;
    let Some(files) = files else {
        return Ok(None);
    };
    if let Some(key) = &options.key {
        warn_if_open(key);
    }
    for file in options.certificate.iter().chain(&options.client_ca) {
        warn_if_changeable(file);
    }
    Ok(Some(spawn_reload(files, executor)))
}

fn tls_option(options: &TlsOptions, path: &Path) -> String {
    let named = [
        ("--tls-cert", &options.certificate),
        ("--tls-key", &options.key),
        ("--tls-client-ca", &options.client_ca),
    ];
    options_naming(path, &named)
}

/// The options that name this file: one file may hold a certificate and its key.
pub(super) fn options_naming(path: &Path, options: &[(&'static str, &Option<PathBuf>)]) -> String {
    let naming = options
        .iter()
        .filter(|(_, file)| file.as_deref() == Some(path));
    let names: Vec<&str> = naming.map(|(option, _)| *option).collect();
    names.join(", ")
}

/// Warns about a secret file that every user can read or change.
pub(super) fn warn_if_open(file: &Path) {
    if world_access(file).read {
        tracing::warn!(
            file = %file.display(),
            "every user of this machine can read this secret; chmod 600 it"
        );
    }
    warn_if_changeable(file);
}

/// Warns about a file that every user can change.
pub(super) fn warn_if_changeable(file: &Path) {
    if world_access(file).write {
        tracing::warn!(
            file = %file.display(),
            "every user of this machine can change this file; chmod o-w it"
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
