//! Whom to trust for https.
//!
//! Owns the choice of certificate authorities: those of a file, else the system's, else bundled ones, because
//! an image made from nothing has none. It never connects.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use smol::lock::OnceCell;

use crate::thread;

/// The authorities, loaded when they are first needed: a wrapper that never calls https reads none.
#[derive(Debug)]
pub struct Roots {
    file: Option<RootCertStore>,
    config: OnceCell<Arc<ClientConfig>>,
}

/// Why there is nothing to check certificates with.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Not one usable certificate.
    #[error("there is no usable certificate in it; it must hold certificate authorities in PEM")]
    Empty,
    /// Not PEM.
    #[error("it is not PEM: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// One of them is no certificate.
    #[error("it holds something that is no certificate: {0}")]
    Certificate(rustls::Error),
    /// The library refused its own settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
    /// The system's could not be read, which needs a thread.
    #[error("the certificate authorities of the system could not be read: {0}")]
    Thread(std::io::Error),
}

impl Roots {
    /// The system's, from where OpenSSL looks (`SSL_CERT_FILE` and `SSL_CERT_DIR` count); if it has none, those
    /// that Mozilla trusts, as of the build.
    pub fn of_the_system() -> Self {
        Self {
            file: None,
            config: OnceCell::new(),
        }
    }

    /// Only those in this PEM file.
    ///
    /// # Errors
    /// Not one of them, or something else, is in it.
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

    /// The client's side of TLS, made once.
    ///
    /// # Errors
    /// [`RootsError::Setup`].
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>, RootsError> {
        let config = self.config.get_or_try_init(|| async {
            let store = match &self.file {
                Some(store) => store.clone(),
                // Some hundred files, perhaps on a slow disk.
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
            "the system has no certificate authorities; bundled ones are used"
        );
    } else {
        tracing::debug!(
            added,
            ignored,
            "the system's certificate authorities are used"
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
    fn a_machine_without_authorities_gets_bundled_ones() {
        // Whether this machine has its own or not, there is always somebody to trust.
        assert!(system_or_bundled().len() > 20);
        assert!(webpki_roots::TLS_SERVER_ROOTS.len() > 20);
    }
}
