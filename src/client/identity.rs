//! Who we are to a wrapper, and how we know it.
//!
//! Owns the files that a client shows: they are read for each connection, so that a wait of hours
//! outlives a rotation. It shows a token only to servers that it was told to trust.

use std::path::PathBuf;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::access::Tokens;
use crate::address::{Address, Host};
use crate::net::reload::{ReloadError, contents};
use crate::net::stream::Stream;
use crate::net::tls::{ClientTls, TlsError, TlsFiles};

/// The credentials that a client presents and the authorities that it trusts. By default it
/// presents none and trusts any server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Authorities that sign the certificate of the wrapper, PEM. With it tcp addresses speak TLS.
    pub authorities: Option<PathBuf>,
    /// Our certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The name in the certificate of the wrapper; the host of its address if unset.
    pub server_name: Option<String>,
    /// A file whose first line is our bearer token.
    pub token: Option<PathBuf>,
}

/// The files of an [`Identity`], read.
#[derive(Debug)]
pub(super) struct Shown {
    tls: Option<ClientTls>,
    server_name: Option<String>,
    pub(super) metadata: HeaderMap,
}

impl Identity {
    /// No files, hence nothing to read.
    pub(super) const NONE: Self = Self {
        authorities: None,
        certificate: None,
        key: None,
        server_name: None,
        token: None,
    };

    /// Whether all files can be used now. Blocks on the file system.
    ///
    /// # Errors
    ///
    /// `ReloadError` names the first that cannot.
    pub fn check(&self) -> Result<(), ReloadError> {
        self.read().map(|_| ())
    }

    /// Reads the files without holding up the executor.
    pub(super) async fn show(&self) -> Result<Shown, ReloadError> {
        let identity = self.clone();
        if identity == Self::NONE {
            return identity.read();
        }
        smol::unblock(move || identity.read()).await
    }

    fn read(&self) -> Result<Shown, ReloadError> {
        let tls = ClientTls::read(&TlsFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authorities: self.authorities.clone(),
        })?;
        let mut metadata = HeaderMap::new();
        if let Some(path) = &self.token {
            let unusable = |why: String| ReloadError::new(path, why);
            let text = contents(path).map_err(|error| unusable(error.to_string()))?;
            let tokens = Tokens::parse(&text).map_err(|error| unusable(error.to_string()))?;
            let value = tokens.authorization().unwrap_or_default();
            let mut value =
                HeaderValue::try_from(value).map_err(|error| unusable(error.to_string()))?;
            value.set_sensitive(true);
            metadata.insert(AUTHORIZATION, value);
        }
        Ok(Shown {
            tls,
            server_name: self.server_name.clone(),
            metadata,
        })
    }
}

impl Shown {
    /// Whether a connection to this address is to be under TLS.
    pub(super) const fn speaks_tls(&self, address: &Address) -> bool {
        match address {
            Address::Unix(_) => false,
            Address::Tcp { .. } => self.tls.is_some(),
        }
    }

    /// Secures a connection: TLS on tcp if authorities are configured.
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
