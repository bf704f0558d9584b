//! TLS in a build without the feature `tls`.
//!
//! Owns the error that says so. The types have no values, so their methods are never called.

use std::path::Path;

use super::{TlsError, TlsFiles};
use crate::access::TlsOptions;
use crate::net::reload::{ReloadError, Reloadable};
use crate::net::stream::Stream;

const WHY: &str = "this process-wrapper was built without TLS (cargo feature `tls`)";

/// A listener's TLS.
#[derive(Debug)]
pub enum ServerTls {}

/// A client's TLS.
#[derive(Debug, Clone)]
pub enum ClientTls {}

impl ServerTls {
    /// Returns `None` if no file is named.
    ///
    /// # Errors
    ///
    /// A file is named.
    pub fn read(options: &TlsOptions) -> Result<Option<Reloadable<Self>>, ReloadError> {
        absent(options.certificate.as_deref()).map(|()| None)
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn accept(&self, _: Stream) -> Result<(Stream, Vec<String>), TlsError> {
        match *self {}
    }
}

impl ClientTls {
    /// Returns `None` if no file is named.
    ///
    /// # Errors
    ///
    /// A file is named.
    pub fn read(files: &TlsFiles) -> Result<Option<Self>, ReloadError> {
        absent(files.authorities.as_deref())?;
        absent(files.certificate.as_deref())?;
        absent(files.key.as_deref()).map(|()| None)
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn connect(&self, _: Stream, _: &str) -> Result<Stream, TlsError> {
        match *self {}
    }
}

/// The text of an I/O error: there is no TLS error in this build.
#[cfg(not(feature = "webhooks"))]
pub fn explain_io(error: &std::io::Error) -> String {
    error.to_string()
}

fn absent(file: Option<&Path>) -> Result<(), ReloadError> {
    file.map_or(Ok(()), |path| Err(ReloadError::new(path, WHY)))
}

/// No peer sends one.
#[cfg(not(feature = "webhooks"))]
pub const fn is_alert(_: &std::io::Error) -> bool {
    false
}
