//! Certificates and keys in PEM files, RFC 7468.
//!
//! Owns the errors of files with other contents, and of a key that does not fit. It never prints a
//! key.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::explain::{explain, explain_pem};
use crate::net::reload::ReloadError;

/// All certificates of a file, at least one.
pub(super) fn certificates(
    path: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ReloadError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| ReloadError::new(path, explain_pem(&error)))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let why = if is_der(text) {
        "it is DER; convert it to PEM with `openssl x509 -inform DER -in FILE -out NEW`"
    } else if holds(text, "PRIVATE KEY-----") {
        "it holds a private key, but no certificate (PEM)"
    } else {
        "it holds no certificate (PEM)"
    };
    Err(ReloadError::new(path, why))
}

/// The first private key of a file.
pub(super) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, ReloadError> {
    // PKCS #8, and the traditional form of OpenSSL.
    let encrypted = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
    let why = if encrypted.iter().any(|mark| holds(text, mark)) {
        "the key is encrypted; decrypt it with `openssl pkey -in FILE -out NEW` and chmod 600 NEW"
    } else {
        match PrivateKeyDer::from_pem_slice(text) {
            Ok(key) => return Ok(key),
            Err(_) if is_der(text) => {
                "it is DER; convert it to PEM with `openssl pkey -inform DER -in FILE -out NEW`"
            }
            Err(_) if holds(text, "BEGIN CERTIFICATE") => {
                "it holds a certificate, but no private key (PEM)"
            }
            Err(_) => "it holds no private key (PEM)",
        }
    };
    Err(ReloadError::new(path, why))
}

/// The certificates of a file as authorities.
pub(super) fn authorities(path: &Path, text: &[u8]) -> Result<RootCertStore, ReloadError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        store
            .add(certificate)
            .map_err(|error| ReloadError::new(path, explain(&error)))?;
    }
    Ok(store)
}

/// The error of a certificate and its key, about the file that is at fault.
pub(super) fn pair_error(certificate: &Path, key: &Path, error: &rustls::Error) -> ReloadError {
    let why = explain(error);
    if matches!(error, rustls::Error::InvalidCertificate(_)) {
        ReloadError::new(certificate, why)
    } else {
        ReloadError::new(key, format!("with {certificate:?}: {why}"))
    }
}

/// Whether this is a SEQUENCE of ASN.1, as certificates and keys are in DER.
fn is_der(text: &[u8]) -> bool {
    matches!(text, [0x30, 0x30..=0x84, ..])
}

fn holds(text: &[u8], mark: &str) -> bool {
    text.windows(mark.len()).any(|part| part == mark.as_bytes())
}
