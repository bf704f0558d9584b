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
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use webpki::{EndEntityCert, KeyUsage};

use super::explain::explain_path;
use super::{H2, TlsError, pem};
use crate::access::{AllowedName, TlsOptions, TlsVersion};
use crate::net::reload::{ReloadError, Reloadable};
use crate::net::stream::Stream;

/// A listener's TLS configuration.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// A caller's certificate must hold one of these names; empty: any name.
    allowed: Vec<AllowedName>,
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
        let certificate = certificate.and_then(|der| EndEntityCert::try_from(der).ok());
        let names = certificate.as_ref().map(names).unwrap_or_default();
        let is_allowed = |name| certificate.as_ref().is_some_and(|found| holds(found, name));
        if !self.allowed.is_empty() && !self.allowed.iter().any(is_allowed) {
            return Err(TlsError::NotAllowed(names));
        }
        Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), names))
    }
}

/// Whether a certificate holds this name.
fn holds(certificate: &EndEntityCert<'_>, allowed: &AllowedName) -> bool {
    match allowed {
        AllowedName::Dns(_) => certificate
            .valid_dns_names()
            .any(|name| allowed.is_dns(name)),
        AllowedName::Uri(_) => certificate
            .valid_uri_names()
            .any(|name| allowed.is_uri(name)),
        AllowedName::Ip(address) => certificate
            .verify_is_valid_for_subject_name(&ServerName::from(*address))
            .is_ok(),
    }
}

/// The DNS names and URIs of a certificate, for the log. webpki lists no IP address.
fn names(certificate: &EndEntityCert<'_>) -> Vec<String> {
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
            let verifier =
                WebPkiClientVerifier::builder_with_provider(store, Arc::clone(&provider))
                    .build()
                    .map_err(|error| ReloadError::new(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        (_, _) => builder.with_no_client_auth(),
    };
    let chain = pem::certificates(certificate, chain)?;
    let fault = fault(&chain, provider.signature_verification_algorithms.all);
    let mut config = builder
        .with_single_cert(chain, pem::key(key, secret)?)
        .map_err(|error| pem::pair_error(certificate, key, &error))?;
    if let Some(why) = fault {
        let file = certificate.display();
        tracing::warn!(%file, why, "clients may refuse this certificate");
    }
    config.alpn_protocols = vec![H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Why clients that follow RFC 5280 will refuse this certificate, whichever authorities they trust.
/// Other clients may accept it, such as those of Go one with CA:TRUE.
fn fault(
    chain: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Option<String> {
    let (certificate, intermediates) = chain.split_first()?;
    let certificate = match EndEntityCert::try_from(certificate) {
        Ok(certificate) => certificate,
        Err(error) => return Some(explain_path(error)),
    };
    let (now, usage) = (UnixTime::now(), KeyUsage::server_auth());
    // The certificate itself is checked before its issuer, which no list holds here.
    match certificate.verify_for_usage(algorithms, &[], intermediates, now, usage, None, None) {
        Ok(_) | Err(webpki::Error::UnknownIssuer) => {}
        Err(error) => return Some(explain_path(error)),
    }
    // webpki lists the names of all kinds in this error only.
    let name = ServerName::try_from("name.invalid").ok()?;
    match certificate.verify_is_valid_for_subject_name(&name) {
        Err(webpki::Error::CertNotValidForName(found)) if found.presented.is_empty() => {
            let why = "the certificate holds no name; issue one whose subjectAltName has the host \
                       of the address";
            Some(why.to_owned())
        }
        Ok(()) | Err(_) => None,
    }
}
