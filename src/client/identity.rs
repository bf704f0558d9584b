//! The credentials of a client, and the authorities that it trusts.
//!
//! Owns their files. Each connection reads them again, so that a wait of hours survives a rotation.
//! It never sends a token to a server without the configured trust.

use std::io;
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::access::Tokens;
use crate::address::{Address, Host};
use crate::net::reload::{ReloadError, contents};
use crate::net::stream::Stream;
use crate::net::tls::{ClientTls, TlsError, TlsFiles};
use crate::thread;

/// The credentials that a client presents and the authorities that it trusts. By default it
/// presents none and trusts any server.
///
/// ```
/// use process_wrapper::client::Identity;
///
/// let identity = Identity::default()
///     .authorities("/etc/wrapper/ca.pem")
///     .certificate("/etc/wrapper/client.pem", "/etc/wrapper/client.key")
///     .token("/etc/wrapper/token");
/// // The files do not exist here.
/// assert!(identity.check().is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// PEM file of the authorities that may sign the wrapper's certificate. With it tcp addresses
    /// use TLS.
    pub authorities: Option<PathBuf>,
    /// PEM file of the client's certificate and its chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of the private key of the certificate.
    pub key: Option<PathBuf>,
    /// The name in the wrapper's certificate. The host of its address if unset.
    pub server_name: Option<String>,
    /// A file whose first line is the client's bearer token.
    pub token: Option<PathBuf>,
}

/// A file of an [`Identity`] that cannot be used.
///
/// ```
/// use std::path::Path;
/// use process_wrapper::client::Identity;
///
/// let error = Identity::default().token("/no/such/file").check().unwrap_err();
/// assert_eq!(error.path(), Path::new("/no/such/file"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidIdentity(ReloadError);

impl InvalidIdentity {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// The contents of the files of an [`Identity`].
#[derive(Debug)]
pub(super) struct Loaded {
    tls: Option<ClientTls>,
    server_name: Option<String>,
    pub(super) metadata: HeaderMap,
}

impl Identity {
    pub(super) const NONE: Self = Self {
        authorities: None,
        certificate: None,
        key: None,
        server_name: None,
        token: None,
    };

    /// Sets the PEM file of the authorities that may sign the wrapper's certificate. With it tcp
    /// addresses use TLS.
    #[must_use]
    pub fn authorities(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities = Some(file.into());
        self
    }

    /// Sets the PEM files of the client's certificate with its chain, and of its private key.
    #[must_use]
    pub fn certificate(mut self, file: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(file.into());
        self.key = Some(key.into());
        self
    }

    /// Sets the name in the wrapper's certificate, where it is not the host of its address.
    ///
    /// ```
    /// use process_wrapper::client::{Client, Identity};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // The certificate names the runner, and a tunnel leads to it.
    /// let identity = Identity::default()
    ///     .authorities("/etc/wrapper/ca.pem")
    ///     .server_name("runner-1.example");
    /// let client = Client::new("tcp://localhost:17777".parse()?).identity(identity);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sets the file whose first line is the client's bearer token.
    #[must_use]
    pub fn token(mut self, file: impl Into<PathBuf>) -> Self {
        self.token = Some(file.into());
        self
    }

    /// Reads all files now, so that a mistake is found before the first call. Blocks on the file
    /// system.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity`] names the first file that cannot be used.
    pub fn check(&self) -> Result<(), InvalidIdentity> {
        self.read().map(|_| ())
    }

    /// Reads the files without blocking the executor.
    ///
    /// # Errors
    ///
    /// The outer error: no thread can be started.
    pub(super) async fn load(&self) -> io::Result<Result<Loaded, InvalidIdentity>> {
        let identity = self.clone();
        if identity == Self::NONE {
            return Ok(identity.read());
        }
        thread::run(move || identity.read()).await
    }

    fn read(&self) -> Result<Loaded, InvalidIdentity> {
        let tls = ClientTls::read(&TlsFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authorities: self.authorities.clone(),
        })
        .map_err(InvalidIdentity)?;
        let mut metadata = HeaderMap::new();
        if let Some(path) = &self.token {
            let unusable = |why: String| InvalidIdentity(ReloadError::new(path, why));
            let text = contents(path).map_err(InvalidIdentity)?;
            let tokens = Tokens::parse(&text).map_err(|error| unusable(error.to_string()))?;
            let value = tokens.authorization().unwrap_or_default();
            let mut value =
                HeaderValue::try_from(value).map_err(|error| unusable(error.to_string()))?;
            value.set_sensitive(true);
            metadata.insert(AUTHORIZATION, value);
        }
        Ok(Loaded {
            tls,
            server_name: self.server_name.clone(),
            metadata,
        })
    }
}

impl Loaded {
    /// Whether connections to this address use TLS.
    pub(super) const fn uses_tls(&self, address: &Address) -> bool {
        match address {
            Address::Unix(_) => false,
            Address::Tcp { .. } => self.tls.is_some(),
        }
    }

    /// Performs the TLS handshake, on tcp with configured authorities.
    pub(super) async fn secure(
        &self,
        address: &Address,
        stream: Stream,
    ) -> Result<Stream, TlsError> {
        match (&self.tls, address) {
            (None, _) | (Some(_), Address::Unix(_)) => Ok(stream),
            (Some(tls), Address::Tcp { host, .. }) => {
                let name = self.server_name.clone().unwrap_or_else(|| match host {
                    // Without the brackets of an address.
                    Host::Ip(ip) => ip.to_string(),
                    Host::Localhost | Host::Name(_) => host.to_string(),
                });
                tls.connect(stream, &name).await
            }
        }
    }
}
