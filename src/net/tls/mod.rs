//! TLS on TCP connections: ours as a server, and as a client.
//!
//! Owns the certificates, what is spoken (HTTP/2 only, TLS 1.3 unless 1.2 was allowed) and whom a
//! certificate names. It never opens a connection, and keeps no time: whoever asks for a handshake sets
//! its deadline. Built without the feature `tls`, every use of it is an error that says so.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod server;

#[cfg(not(feature = "tls"))]
mod absent;

#[cfg(not(feature = "tls"))]
pub use absent::{ClientTls, ServerTls};
#[cfg(feature = "tls")]
pub use client::ClientTls;
#[cfg(feature = "tls")]
pub use server::ServerTls;

use std::io;

/// Why there is no TLS on a connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The other end speaks something else, or neither end trusts the other.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// HTTP/2 was not agreed on (ALPN, RFC 7301), which gRPC asks for.
    #[error("the TLS handshake did not choose HTTP/2 (ALPN h2)")]
    NoHttp2,
    /// What the server answered is no TLS.
    #[error("the server does not speak TLS on this port; leave out --tls-ca, or use another port")]
    Plaintext,
    /// The certificate is valid, and names nobody who was allowed.
    #[error("{} none of --allow-san", PeerNames(.0))]
    NotAllowed(Vec<String>),
    /// Not a name that a certificate could hold.
    #[error("{0:?} is no name of a server; use --server-name")]
    ServerName(String),
}

struct PeerNames<'a>(&'a [String]);

impl std::fmt::Display for PeerNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => f.write_str("the certificate holds no DNS name and no URI, hence"),
            names => write!(f, "the certificate of {} is", names.join(",")),
        }
    }
}

/// What HTTP/2 over TLS is called in ALPN, RFC 9113 section 3.2.
#[cfg(feature = "tls")]
const H2: &[u8] = b"h2";

/// Where a server's or a client's own certificate and key are, and whom it trusts.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: Option<std::path::PathBuf>,
    /// Its private key.
    pub key: Option<std::path::PathBuf>,
    /// The authorities that sign the certificates of the other end.
    pub authorities: Option<std::path::PathBuf>,
}
