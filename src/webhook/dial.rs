//! From a URL to a connection that may be used.
//!
//! Owns resolving, connecting and TLS, and asks the policy about each address right before it is connected
//! to: what is judged is what is called. It never speaks HTTP, and reads no proxy variables.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::time::Duration;

use futures_rustls::TlsConnector;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

use super::policy::{Policy, PolicyRefusal};
use super::roots::{Roots, RootsError};
use crate::net::budget::Budgeted;
use crate::net::connect;

/// How many addresses of one name are tried in one attempt.
const MAX_ADDRESSES: usize = 4;

/// How many bytes one delivery reads before others have their turn: a receiver that floods us with what is
/// never an answer must not stop the clock.
const READ_BUDGET: usize = 16 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The resolver knows no address, or is not there.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name has no address that may be called.
    #[error("not called: {0}")]
    Refused(#[from] PolicyRefusal),
    /// No address took the connection; the last one and what the kernel said.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The certificate is wrong, say.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// There is nothing to check certificates with.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// No certificate can be for such a host.
    #[error("TLS: {0}")]
    Name(#[from] InvalidDnsNameError),
}

/// Addresses for a name.
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Whoever knows addresses.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, with this port, in the order to try them.
    fn resolve(&self, host: String, port: u16) -> Resolved;
}

/// The system's resolver, `getaddrinfo(3)`, on a thread of its own because it blocks. `localhost` is never
/// resolved: RFC 6761 section 6.3.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> Resolved {
        Box::pin(async move {
            let name = host.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                let loopback: [IpAddr; 2] =
                    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                return Ok(loopback.map(|ip| SocketAddr::new(ip, port)).to_vec());
            }
            connect::look_up(host, port).await
        })
    }
}

/// A connection, plain or in TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes connections.
#[derive(Debug)]
pub struct Dialer {
    policy: Policy,
    resolver: Box<dyn Resolve>,
    roots: Roots,
    /// How long connecting to all addresses may take together.
    limit: Duration,
}

impl Dialer {
    /// A dialer that obeys `policy`.
    pub fn new(policy: Policy, resolver: Box<dyn Resolve>, roots: Roots, limit: Duration) -> Self {
        Self {
            policy,
            resolver,
            roots,
            limit,
        }
    }

    /// Connects to the host of a URL, in TLS if it says https.
    ///
    /// # Errors
    /// [`DialError`]; nothing was sent over HTTP.
    pub async fn dial(&self, url: &Url) -> Result<Box<dyn Duplex>, DialError> {
        let host = url.host().unwrap_or(Host::Domain(""));
        let port = url.port_or_known_default().unwrap_or_default();
        let tcp = Budgeted::new(self.connect(&host, port).await?, READ_BUDGET);
        if url.scheme() != "https" {
            return Ok(Box::new(tcp));
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned())?,
            Host::Ipv4(address) => ServerName::from(IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(address)),
        };
        let connector = TlsConnector::from(self.roots.client_config().await?);
        let tls = connector.connect(name, tcp).await.map_err(DialError::Tls)?;
        Ok(Box::new(tls))
    }

    async fn connect(&self, host: &Host<&str>, port: u16) -> Result<Async<TcpStream>, DialError> {
        let addresses = self.addresses(host, port).await?;
        let share =
            u32::try_from(addresses.len()).map_or(self.limit, |count| self.limit / count.max(1));
        let mut last = None;
        for address in addresses {
            let connected = Async::<TcpStream>::connect(address)
                .or(async {
                    smol::Timer::after(share).await;
                    Err(io::ErrorKind::TimedOut.into())
                })
                .await;
            match connected {
                Ok(stream) => return Ok(stream),
                Err(source) => last = Some(DialError::Connect { address, source }),
            }
        }
        Err(last.unwrap_or_else(|| no_address(host)))
    }

    /// The addresses that may be called; an error if there is none of them.
    async fn addresses(&self, host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let found = match *host {
            Host::Ipv4(address) => vec![SocketAddr::new(address.into(), port)],
            Host::Ipv6(address) => vec![SocketAddr::new(address.into(), port)],
            Host::Domain(name) => {
                let found = self.resolver.resolve(name.to_owned(), port).await;
                found.map_err(|source| DialError::Resolve {
                    host: name.to_owned(),
                    source,
                })?
            }
        };
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in found {
            match self.policy.check_address(host, port, address.ip()) {
                Ok(()) if allowed.contains(&address) || allowed.len() == MAX_ADDRESSES => {}
                Ok(()) => allowed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if allowed.is_empty() => Err(error.into()),
            Some(_) | None => Ok(allowed),
        }
    }
}

fn no_address(host: &Host<&str>) -> DialError {
    DialError::Resolve {
        host: host.to_string(),
        source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
    }
}
