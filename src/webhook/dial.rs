//! Connections to receivers of webhooks.
//!
//! Owns resolving, connecting and TLS. The policy checks each resolved address right before the
//! connect, so DNS rebinding cannot bypass it. It never speaks HTTP and never reads proxy
//! variables.

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

use super::policy::{Destination, Origin, Policy, PolicyRefusal, is_localhost};
use super::roots::{Roots, RootsError};
use crate::net::budget::Budgeted;
use crate::net::connect;
use crate::net::tls::explain_io;

/// Maximum addresses of one name that one attempt tries.
const MAX_ADDRESSES: usize = 4;

/// Bytes that one delivery reads before it yields: a receiver that floods the wrapper must not
/// starve timers and other tasks.
const READ_BUDGET: usize = 16 * 1024;

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The resolver has no address or does not answer.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The policy denies every address of the host.
    #[error("not connected: {0}")]
    Refused(#[from] PolicyRefusal),
    /// No address accepted the connection; the last one tried.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The handshake failed, for example at the certificate.
    #[error("TLS handshake failed: {}", explain_io(.0))]
    Tls(io::Error),
    /// No certificate can be verified.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// No certificate can name such a host.
    #[error("TLS is impossible for this host: {0}")]
    Name(#[from] InvalidDnsNameError),
}

/// The future of [`Resolve::resolve`].
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// A source of addresses for names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name, with this port, in the order to try them.
    fn resolve(&self, host: String, port: u16) -> Resolved;
}

/// `getaddrinfo(3)` on a thread of its own, because it blocks. `localhost` is never looked up: RFC
/// 6761 section 6.3.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> Resolved {
        Box::pin(async move {
            if is_localhost(&host) {
                let loopback: [IpAddr; 2] =
                    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                return Ok(loopback.map(|ip| SocketAddr::new(ip, port)).to_vec());
            }
            connect::look_up(host, port).await
        })
    }
}

/// A byte stream, with or without TLS.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens connections that the policy allows.
#[derive(Debug)]
pub struct Dialer {
    policy: Policy,
    resolver: Box<dyn Resolve>,
    roots: Roots,
    /// The limit for all addresses together.
    connect_timeout: Duration,
}

impl Dialer {
    /// A dialer that spends at most `connect_timeout` on all addresses of a host.
    pub fn new(
        policy: Policy,
        resolver: Box<dyn Resolve>,
        roots: Roots,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            policy,
            resolver,
            roots,
            connect_timeout,
        }
    }

    /// Connects to the host of a URL that was asked for at `origin`, over TLS if the scheme is
    /// https.
    ///
    /// # Errors
    /// [`DialError`]; no HTTP was sent.
    pub async fn dial(&self, url: &Url, origin: Origin) -> Result<Box<dyn Duplex>, DialError> {
        let to = Destination {
            host: url.host().unwrap_or(Host::Domain("")),
            port: url.port_or_known_default().unwrap_or_default(),
            origin,
        };
        let tcp = Budgeted::new(self.connect(&to).await?, READ_BUDGET);
        if url.scheme() != "https" {
            return Ok(Box::new(tcp));
        }
        let name = match to.host {
            Host::Domain(name) => ServerName::try_from(name.to_owned())?,
            Host::Ipv4(address) => ServerName::from(IpAddr::from(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(address)),
        };
        let connector = TlsConnector::from(self.roots.client_config().await?);
        let tls = connector.connect(name, tcp).await.map_err(DialError::Tls)?;
        Ok(Box::new(tls))
    }

    async fn connect(&self, to: &Destination<'_>) -> Result<Async<TcpStream>, DialError> {
        let addresses = self.addresses(to).await?;
        let count = u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let address_timeout = self.connect_timeout / count;
        let mut last_error = None;
        for address in addresses {
            let connected = Async::<TcpStream>::connect(address)
                .or(async {
                    smol::Timer::after(address_timeout).await;
                    Err(io::ErrorKind::TimedOut.into())
                })
                .await;
            match connected {
                Ok(stream) => return Ok(stream),
                Err(source) => last_error = Some(DialError::Connect { address, source }),
            }
        }
        Err(last_error.unwrap_or_else(|| no_address(&to.host)))
    }

    /// The allowed addresses of a host; an error if the policy denies all of them.
    async fn addresses(&self, to: &Destination<'_>) -> Result<Vec<SocketAddr>, DialError> {
        let port = to.port;
        let found = match to.host {
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
            match self.policy.check_address(to, address.ip()) {
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
