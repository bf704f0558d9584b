//! TLS on TCP connections, of the server and of clients.
//!
//! Owns the certificates, the protocols (HTTP/2 only; TLS 1.3 unless 1.2 is allowed) and the names
//! of a certificate. It opens no connection and has no deadline: the caller of a handshake sets
//! one. Without the feature `tls` every use is an error that says so.

#[cfg(feature = "tls")]
mod client;
#[cfg(any(feature = "tls", feature = "webhooks"))]
mod explain;
#[cfg(feature = "tls")]
mod pem;
#[cfg(all(feature = "tls", feature = "wrapper"))]
mod server;

#[cfg(not(feature = "tls"))]
mod absent;

#[cfg(not(feature = "tls"))]
pub use absent::{ClientTls, ServerTls};
#[cfg(not(any(feature = "tls", feature = "webhooks")))]
pub use absent::{explain_io, is_alert};
#[cfg(feature = "tls")]
pub use client::ClientTls;
#[cfg(feature = "webhooks")]
pub use explain::{explain, explain_pem};
#[cfg(any(feature = "tls", feature = "webhooks"))]
pub use explain::{explain_io, is_alert};
#[cfg(all(feature = "tls", feature = "wrapper"))]
pub use server::ServerTls;

use std::io;

/// Why a TLS handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer does not speak TLS, or a certificate is not trusted.
    #[error("the TLS handshake failed: {}", explain_io(.0))]
    Handshake(#[from] io::Error),
    /// ALPN (RFC 7301) did not choose HTTP/2, which gRPC requires.
    #[error("the TLS handshake did not choose HTTP/2 (ALPN h2)")]
    NoHttp2,
    /// The server's answer is no TLS record.
    #[error("the server does not speak TLS on this port")]
    Plaintext,
    /// The certificate is valid, but none of its names is allowed.
    #[error("{} none of --allow-san", PeerNames(.0))]
    NotAllowed(Vec<String>),
    /// No certificate can hold this name.
    #[error("{0:?} is not a server name")]
    ServerName(String),
}

struct PeerNames<'a>(&'a [String]);

impl std::fmt::Display for PeerNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => f.write_str("the certificate holds no DNS name and no URI; it is"),
            [first, rest @ ..] => {
                write!(f, "the certificate of {first:?}")?;
                rest.iter().try_for_each(|name| write!(f, ",{name:?}"))?;
                f.write_str(" is")
            }
        }
    }
}

/// The ALPN identifier of HTTP/2 over TLS, RFC 9113 section 3.2.
#[cfg(feature = "tls")]
const H2: &[u8] = b"h2";

/// The PEM files of one end of TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Its certificate and chain.
    pub certificate: Option<std::path::PathBuf>,
    /// Its private key.
    pub key: Option<std::path::PathBuf>,
    /// The authorities that it trusts for the peer's certificate.
    pub authorities: Option<std::path::PathBuf>,
}
