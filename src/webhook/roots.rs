//! The trusted certificate authorities for https.
//!
//! Owns their order of precedence: a file, the system's store, the bundled store (an image built
//! from scratch has no system store). It never connects.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use smol::lock::OnceCell;

use crate::net::tls::{explain, explain_pem};
use crate::thread;

/// Trusted authorities, loaded on the first https connection: the system store has some hundred
/// files.
#[derive(Debug)]
pub struct Roots {
    file: Option<RootCertStore>,
    config: OnceCell<Arc<ClientConfig>>,
}

/// Why no certificate can be verified.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file has no certificate.
    #[error("the file has no usable certificate; write certificate authorities in PEM")]
    Empty,
    /// Not PEM.
    #[error("{}", explain_pem(.0))]
    Pem(rustls::pki_types::pem::Error),
    /// A PEM block is not a certificate.
    #[error("{}", explain(.0))]
    Certificate(rustls::Error),
    /// rustls refused the configuration.
    #[error("TLS cannot be set up: {}", explain(.0))]
    Setup(rustls::Error),
    /// No thread could be started to read the system store.
    #[error("cannot read the certificate authorities of the system: {0}")]
    Thread(std::io::Error),
}

impl Roots {
    /// The system's store, from OpenSSL's locations or `SSL_CERT_FILE` and `SSL_CERT_DIR`. If it is
    /// empty, the bundled copy of Mozilla's store.
    pub fn system() -> Self {
        Self {
            file: None,
            config: OnceCell::new(),
        }
    }

    /// Only the authorities in this PEM text.
    ///
    /// # Errors
    /// [`RootsError`]: no certificate, or an invalid one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store
                .add(certificate.map_err(RootsError::Pem)?)
                .map_err(RootsError::Certificate)?;
        }
        if store.is_empty() {
            return Err(RootsError::Empty);
        }
        Ok(Self {
            file: Some(store),
            config: OnceCell::new(),
        })
    }

    /// The TLS configuration, built once.
    ///
    /// # Errors
    /// [`RootsError::Setup`] or [`RootsError::Thread`].
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>, RootsError> {
        let config = self.config.get_or_try_init(|| async {
            let store = match &self.file {
                Some(store) => store.clone(),
                // Blocks on the disk for some hundred files.
                None => thread::run(system_or_bundled)
                    .await
                    .map_err(RootsError::Thread)?,
            };
            client_config(store).map(Arc::new)
        });
        config.await.cloned()
    }
}

fn client_config(store: RootCertStore) -> Result<ClientConfig, RootsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Setup)?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

fn system_or_bundled() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let (added, ignored) =
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        tracing::debug!(
            count = store.len(),
            "using bundled certificate authorities: the system has none"
        );
    } else {
        tracing::debug!(
            added,
            ignored,
            "using the certificate authorities of the system"
        );
    }
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for text in [
            "",
            "hello",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(
                matches!(Roots::from_pem(text.as_bytes()), Err(RootsError::Empty)),
                "{text:?}"
            );
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Roots::from_pem(broken.as_bytes()),
            Err(RootsError::Certificate(_))
        ));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(Roots::from_pem(cut.as_bytes()).is_err());
    }

    #[test]
    fn there_is_always_a_trusted_authority() {
        // Holds with a system store and without one.
        assert!(system_or_bundled().len() > 20);
        assert!(webpki_roots::TLS_SERVER_ROOTS.len() > 20);
    }
}
