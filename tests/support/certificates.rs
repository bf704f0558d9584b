//! Certificates that live as long as one test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use process_wrapper::net::tls::{ClientTls, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use tempfile::TempDir;

/// The name of the server in all tests.
pub const SERVER: &str = "wrapper.example";

/// A certificate authority with a directory for the certificates it signs.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub folder: TempDir,
}

/// A certificate and its key in files.
#[derive(Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // OpenSSL takes a certificate with the name of its issuer for a self-signed one.
        params
            .distinguished_name
            .push(DnType::CommonName, "the authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for names, those with a colon being URIs, and writes it into the folder.
    pub fn sign(&self, file: &str, names: &[&str]) -> Pair {
        self.sign_into(self.folder.path(), file, names)
    }

    pub fn sign_into(&self, folder: &Path, file: &str, names: &[&str]) -> Pair {
        self.sign_until(folder, file, names, 2100)
    }

    /// The same, good until the first day of a year.
    pub fn sign_until(&self, folder: &Path, file: &str, names: &[&str], year: i32) -> Pair {
        let (uris, others): (Vec<&str>, Vec<&str>) =
            names.iter().copied().partition(|name| name.contains(':'));
        let others: Vec<String> = others.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(others).unwrap();
        for uri in uris {
            // `uri:` makes a URI of a name without a scheme.
            let uri = uri.strip_prefix("uri:").unwrap_or(uri);
            let uri = SanType::URI(uri.try_into().unwrap());
            params.subject_alt_names.push(uri);
        }
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = Pair {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    /// A client that trusts this authority.
    pub fn client(&self, own: Option<&Pair>) -> ClientTls {
        let files = TlsFiles {
            certificate: own.map(|own| own.certificate.clone()),
            key: own.map(|own| own.key.clone()),
            authorities: Some(self.path()),
        };
        ClientTls::read(&files).unwrap().unwrap()
    }

    /// The configuration of a client with choices that ours does not make.
    pub fn odd_client(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> rustls::ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }
}

/// The options of a server with this certificate.
pub fn options(pair: &Pair) -> Vec<String> {
    vec![
        format!("--tls-cert={}", pair.certificate.display()),
        format!("--tls-key={}", pair.key.display()),
    ]
}
