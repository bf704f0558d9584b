//! The client's end of TLS.
//!
//! Owns the trusted authorities and the client certificate. It trusts no authority but those named.

use std::sync::Arc;

use futures_rustls::{TlsConnector, TlsStream};
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};

use super::{H2, TlsError, TlsFiles, pem};
use crate::net::reload::{ReloadError, contents};
use crate::net::stream::Stream;

/// A client's TLS configuration.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Reads the files; blocks. Returns `None` if none is named.
    ///
    /// # Errors
    ///
    /// The first file that is invalid, or that lacks another.
    pub fn read(files: &TlsFiles) -> Result<Option<Self>, ReloadError> {
        let TlsFiles {
            certificate,
            key,
            authorities,
        } = files;
        let Some(path) = authorities else {
            let own = certificate.as_ref().or(key.as_ref());
            return match own {
                None => Ok(None),
                Some(path) => Err(ReloadError::new(path, "it needs --tls-ca")),
            };
        };
        let trusted = pem::authorities(path, &contents(path)?)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| ReloadError::new(path, error))?
            .with_root_certificates(trusted);
        let mut config = match (certificate, key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(path), None) => return Err(ReloadError::new(path, "it needs --tls-key")),
            (None, Some(path)) => return Err(ReloadError::new(path, "it needs --tls-cert")),
            (Some(certificate), Some(path)) => {
                let chain = pem::certificates(certificate, &contents(certificate)?)?;
                builder
                    .with_client_auth_cert(chain, pem::key(path, &contents(path)?)?)
                    .map_err(|error| pem::pair_error(certificate, path, &error))?
            }
        };
        config.alpn_protocols = vec![H2.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Some(Self {
            config: Arc::new(config),
        }))
    }

    /// Performs the handshake with a server whose certificate must hold `name`, a DNS name or IP
    /// address.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the connection is unusable.
    pub async fn connect(&self, stream: Stream, name: &str) -> Result<Stream, TlsError> {
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::ServerName(name.to_owned()))?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(server, stream).await.map_err(|error| {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            match cause {
                Some(rustls::Error::InvalidMessage(_)) => TlsError::Plaintext,
                Some(_) | None => error.into(),
            }
        })?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(TlsError::NoHttp2);
        }
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}
