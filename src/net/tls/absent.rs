//! TLS where it was left out of the build.
//!
//! Owns the word about that. There is never a value of these types, so nothing can be done with them.

use std::path::Path;

use super::{TlsError, TlsFiles};
use crate::access::TlsOptions;
use crate::net::reload::{ReloadError, Reloadable};
use crate::net::stream::Stream;

const WHY: &str = "this process-wrapper was built without TLS (cargo feature `tls`)";

/// What a listener would need to speak TLS.
#[derive(Debug)]
pub enum ServerTls {}

/// What a client would need to speak TLS.
#[derive(Debug, Clone)]
pub enum ClientTls {}

impl ServerTls {
    /// `None` if TLS was not asked for.
    ///
    /// # Errors
    ///
    /// TLS was asked for.
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
    /// `None` if TLS was not asked for.
    ///
    /// # Errors
    ///
    /// TLS was asked for.
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

fn absent(file: Option<&Path>) -> Result<(), ReloadError> {
    file.map_or(Ok(()), |path| Err(ReloadError::new(path, WHY)))
}
