//! Files of the command line that hold secrets and change while we run.
//!
//! Owns what is said about them in the log. It never says what they hold.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use smol::LocalExecutor;

use crate::access::{TlsOptions, Tokens};
use crate::clock::MonotonicClock;
use crate::net::reload::{ReloadError, Reloadable, is_world_readable};
use crate::net::tls::ServerTls;

/// The tokens in a file, now and whenever it changes.
pub(super) fn tokens(
    file: &Path,
    executor: &LocalExecutor<'static>,
) -> Result<Rc<Reloadable<Tokens>>, ReloadError> {
    let path = file.to_owned();
    let reread = Reloadable::new(vec![path.clone()], move |contents| {
        let text = contents.first().map_or(&[][..], Vec::as_slice);
        Tokens::parse(text).map_err(|error| ReloadError::new(&path, error))
    })?;
    warn_if_open(file);
    Ok(watched(reread, executor))
}

/// What TLS is spoken with, now and whenever its files change.
pub(super) fn tls(
    options: &TlsOptions,
    executor: &LocalExecutor<'static>,
) -> Result<Option<Rc<Reloadable<ServerTls>>>, ReloadError> {
    let Some(reread) = ServerTls::read(options)? else {
        return Ok(None);
    };
    if let Some(key) = &options.key {
        warn_if_open(key);
    }
    Ok(Some(watched(reread, executor)))
}

/// Says so if everybody may read what should be secret.
pub(super) fn warn_if_open(file: &Path) {
    if is_world_readable(file) {
        tracing::warn!(
            file = %file.display(),
            "every user of this machine can read this secret; chmod 600 it"
        );
    }
}

/// Has the files looked at for as long as we run.
fn watched<T: Debug + 'static>(
    reread: Reloadable<T>,
    executor: &LocalExecutor<'static>,
) -> Rc<Reloadable<T>> {
    let reread = Rc::new(reread);
    let watched = Rc::clone(&reread);
    let told = |files: &[PathBuf], result: Result<(), ReloadError>| match result {
        Ok(()) => tracing::info!(?files, "changed and read again"),
        Err(error) => tracing::warn!(%error, "what was read before stays in force"),
    };
    executor
        .spawn(async move { watched.watch(MonotonicClock, told).await })
        .detach();
    reread
}
