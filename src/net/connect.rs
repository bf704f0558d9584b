//! Connecting to a control API.
//!
//! Owns the way from an address to a connection. It never retries and has no deadline of its own:
//! the caller sets one.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use async_io::Async;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::stream::Stream;
use crate::address::{Address, Host};
use crate::thread;

/// `localhost` by family, in the order to try.
pub(super) const LOCALHOST: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Why no connection was established.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `connect(2)` to the socket file failed.
    #[error("cannot connect to unix socket {path:?}: {source}{}", hint(source))]
    Unix {
        /// The socket file.
        path: PathBuf,
        /// The error of `connect(2)`.
        source: io::Error,
    },
    /// A file of another kind has the path; `connect(2)` refuses that as a missing listener.
    #[error("{path:?} is not a socket; write the address at which the wrapper listens")]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The listener's backlog is full; a later attempt may succeed.
    #[error("cannot connect to unix socket {path:?}: the listener's backlog is full; try again")]
    Busy {
        /// The socket file.
        path: PathBuf,
    },
    /// The resolver knows no address for the name.
    #[error("cannot resolve {name:?}: {source}")]
    Resolve {
        /// The name.
        name: String,
        /// The error of `getaddrinfo(3)`.
        source: io::Error,
    },
    /// None of the host's addresses accepted the connection.
    #[error("cannot connect to {address}: {attempts}")]
    Tcp {
        /// The requested address.
        address: Address,
        /// Each attempt, in order.
        attempts: ConnectAttempts,
    },
}

/// The addresses tried, each with its error.
#[derive(Debug)]
pub struct ConnectAttempts(pub Vec<(SocketAddr, io::Error)>);

impl fmt::Display for ConnectAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the name has no address");
        }
        for (n, (address, error)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

fn hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "; is the wrapper running, and does it listen there?",
        Some(Errno::CONNREFUSED) => "; the wrapper that created it has exited",
        Some(Errno::ACCESS) => "; the modes of the file and its directory deny access",
        Some(_) | None => "",
    }
}

/// Connects to `address`; of a host's addresses, to the first that accepts.
///
/// # Errors
///
/// [`ConnectError`] lists every attempt.
pub async fn connect(address: &Address) -> Result<Stream, ConnectError> {
    match address {
        Address::Unix(path) => connect_unix(path),
        Address::Tcp { host, port } => {
            let addresses = resolve(host, *port).await.map_err(|(name, source)| {
                let name = name.to_owned();
                ConnectError::Resolve { name, source }
            })?;
            let mut attempts = Vec::new();
            for candidate in addresses {
                match Async::<TcpStream>::connect(candidate).await {
                    Ok(socket) if is_connected_to_itself(socket.get_ref()) => {
                        attempts.push((candidate, io::ErrorKind::ConnectionRefused.into()));
                    }
                    Ok(socket) => match Stream::tcp(socket) {
                        Ok(stream) => return Ok(stream),
                        Err(error) => attempts.push((candidate, error)),
                    },
                    Err(error) => attempts.push((candidate, error)),
                }
            }
            Err(ConnectError::Tcp {
                address: address.clone(),
                attempts: ConnectAttempts(attempts),
            })
        }
    }
}

/// Whether the kernel chose the port to connect to as the port to connect from. TCP allows that
/// where no process listens (simultaneous open, RFC 9293 section 3.5).
fn is_connected_to_itself(socket: &TcpStream) -> bool {
    matches!((socket.local_addr(), socket.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

fn connect_unix(path: &Path) -> Result<Stream, ConnectError> {
    let failed = |source| ConnectError::Unix {
        path: path.to_owned(),
        source,
    };
    let socket = match dial(path) {
        Ok(socket) => socket,
        Err(Errno::AGAIN) => {
            let path = path.to_owned();
            return Err(ConnectError::Busy { path });
        }
        Err(Errno::CONNREFUSED) if is_other_file(path) => {
            let path = path.to_owned();
            return Err(ConnectError::NotASocket { path });
        }
        Err(error) => return Err(failed(error.into())),
    };
    let socket = Async::new_nonblocking(UnixStream::from(socket)).map_err(failed)?;
    Ok(Stream::unix(socket))
}

fn is_other_file(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| !file.file_type().is_socket())
}

/// Connects to a socket file without waiting: with a full backlog it fails with `EAGAIN`,
/// `connect(2)`.
pub(super) fn dial(path: &Path) -> rustix::io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

/// Looks up a name with `getaddrinfo(3)`, on a thread of its own because that blocks.
///
/// # Errors
///
/// Those of `getaddrinfo(3)`, or `EAGAIN` if no thread can be created.
pub async fn look_up(name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let lookup = move || Ok((name.as_str(), port).to_socket_addrs()?.collect());
    thread::run(lookup).await?
}

/// Resolves a host to its addresses, in the order to try.
///
/// # Errors
///
/// The name, and the error of `getaddrinfo(3)`.
pub(super) async fn resolve(host: &Host, port: u16) -> Result<Vec<SocketAddr>, (&str, io::Error)> {
    match host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Localhost => Ok(LOCALHOST.map(|ip| SocketAddr::new(ip, port)).to_vec()),
        Host::Name(name) => {
            let found = look_up(name.clone(), port).await;
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found.map_err(|error| (name.as_str(), error))? {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{bind, connect, getsockname, ipproto, socket};

    use super::*;

    #[test]
    fn a_connection_to_itself_is_told_from_one_to_a_listener() {
        let address = SocketAddr::new(LOCALHOST[0], 0);
        let own = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP)).unwrap();
        bind(&own, &address).unwrap();
        let port = SocketAddr::try_from(getsockname(&own).unwrap()).unwrap();
        connect(&own, &port).unwrap();
        assert!(is_connected_to_itself(&TcpStream::from(own)));

        let listener = std::net::TcpListener::bind(address).unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!is_connected_to_itself(&other));
    }
}
