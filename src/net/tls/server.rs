//! The server's end of TLS.
//!
//! Owns the protocol versions, the request for a client certificate and the check of its names.
//! Sessions are never resumed: a certificate withdrawn by a rotation must not stay valid in a
//! ticket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsStream};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};

use super::{H2, TlsError, pem};
use crate::access::{TlsOptions, TlsVersion};
use crate::net::reload::{ReloadError, Reloadable};
use crate::net::stream::Stream;

/// A listener's TLS configuration.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// A caller's certificate must hold one of these names; empty: any name.
    allowed: Vec<String>,
}

impl ServerTls {
    /// Reads certificate, key and authorities, now and on each change. Returns `None` without a
    /// certificate and key.
    ///
    /// # Errors
    ///
    /// The first file that is invalid.
    pub fn read(options: &TlsOptions) -> Result<Option<Reloadable<Self>>, ReloadError> {
        let (Some(certificate), Some(key)) = (&options.certificate, &options.key) else {
            return Ok(None);
        };
        let mut files = vec![certificate.clone(), key.clone()];
        files.extend(options.client_ca.clone());
        let paths = files.clone();
        let min_version = options.min_version.unwrap_or(TlsVersion::V1_3);
        let allowed = options.allow_sans.clone();
        let made = Reloadable::new(files, move |contents| {
            let config = config(&paths, contents, min_version)?;
            Ok(Self {
                config: Arc::new(config),
                allowed: allowed.clone(),
            })
        });
        made.map(Some)
    }

    /// Performs the handshake with a caller. Returns the stream over TLS and the names of the
    /// caller's certificate, if one was requested.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; close the connection.
    pub async fn accept(&self, stream: Stream) -> Result<(Stream, Vec<String>), TlsError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let stream = acceptor.accept(stream).await?;
        let (_, session) = stream.get_ref();
        // rustls refuses callers that offer other protocols, but not those that offer none.
        if session.alpn_protocol() != Some(H2) {
            return Err(TlsError::NoHttp2);
        }
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        let names = certificate.map(|found| names(found)).unwrap_or_default();
        if !self.allowed.is_empty() && !names.iter().any(|name| self.is_allowed(name)) {
            return Err(TlsError::NotAllowed(names));
        }
        Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), names))
    }

    /// DNS names are case-insensitive (RFC 4343), the paths of URIs are not (RFC 3986 section
    /// 6.2.2.1). Only a URI holds a colon.
    fn is_allowed(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed == name || (!name.contains(':') && allowed.eq_ignore_ascii_case(name))
        })
    }
}

/// The DNS names and URIs of a valid certificate.
fn names(certificate: &rustls::pki_types::CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let dns = certificate.valid_dns_names();
    dns.chain(certificate.valid_uri_names())
        .map(str::to_owned)
        .collect()
}

fn config(
    files: &[PathBuf],
    contents: &[Vec<u8>],
    min_version: TlsVersion,
) -> Result<ServerConfig, ReloadError> {
    let (&[ref certificate, ref key, ref authorities @ ..], [chain, secret, trusted @ ..]) =
        (files, contents)
    else {
        return Err(ReloadError::new(Path::new(""), "a file is missing"));
    };
    let provider = Arc::new(default_provider());
    let versions: &[_] = match min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| ReloadError::new(certificate, error))?;
    let builder = match (authorities, trusted) {
        ([path, ..], [trusted, ..]) => {
            let store = Arc::new(pem::authorities(path, trusted)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(store, provider)
                .build()
                .map_err(|error| ReloadError::new(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        (_, _) => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(
            pem::certificates(certificate, chain)?,
            pem::key(key, secret)?,
        )
        .map_err(|error| ReloadError::new(key, format!("with {certificate:?}: {error}")))?;
    config.alpn_protocols = vec![H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
