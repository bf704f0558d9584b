//! Certificates and keys in PEM files, RFC 7468.
//!
//! Owns the errors of files with other contents. It never prints a key.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::net::reload::ReloadError;

/// All certificates of a file, at least one.
pub(super) fn certificates(
    path: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ReloadError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| ReloadError::new(path, error))?;
    if found.is_empty() {
        return Err(ReloadError::new(path, "it holds no certificate (PEM)"));
    }
    Ok(found)
}

/// The first private key of a file.
pub(super) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, ReloadError> {
    PrivateKeyDer::from_pem_slice(text)
        .map_err(|_| ReloadError::new(path, "it holds no private key (PEM)"))
}

/// The certificates of a file as authorities.
pub(super) fn authorities(path: &Path, text: &[u8]) -> Result<RootCertStore, ReloadError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        store
            .add(certificate)
            .map_err(|error| ReloadError::new(path, error))?;
    }
    Ok(store)
}
