//! Listening for connections to the control API.
//!
//! Owns the listening sockets and `accept(2)`. It sets no limit of connections and never backs off:
//! the accept loop does.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use smol::Async;

pub use super::bind_error::{BindError, Holder};
use super::connect::resolve;
use super::lost_file::Place;
use super::peer::Peer;
use super::socket_file::{self, BACKLOG, SocketFile};
use super::stream::Stream;
use crate::address::{Address, Host};

/// Attempts to find a port that is free in both address families.
const PORT_ATTEMPTS: u32 = 16;

/// Retries of a path that is in use, and their interval: a quarter of a second in all.
const IN_USE_RETRIES: u32 = 12;
const IN_USE_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The permissions of a socket file. TCP listeners ignore them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// The permission bits; connecting takes write permission. Bits above 0o777 are ignored.
    pub mode: u32,
    /// The group; `None` leaves the kernel's choice, mostly our own.
    pub group: Option<u32>,
}

impl Default for SocketOptions {
    /// Only the wrapper's user and root may connect.
    fn default() -> Self {
        Self {
            mode: 0o600,
            group: None,
        }
    }
}

/// A listening socket. Dropping it removes its socket file.
#[derive(Debug)]
pub struct Listener {
    socket: BoundSocket,
    /// A connection whose socket options failed was logged: one line per listener.
    failure_logged: Cell<bool>,
}

#[derive(Debug)]
enum BoundSocket {
    Tcp {
        socket: Async<TcpListener>,
        address: SocketAddr,
    },
    Unix {
        // Dropped first: a late client finds no file rather than one that refuses.
        file: SocketFile,
        socket: Async<UnixListener>,
        path: PathBuf,
    },
}

/// Listens on `address`. `localhost` and names give one listener per address, all on one port, also
/// if the kernel chooses it.
///
/// # Errors
///
/// [`BindError::is_usage`] tells a wrong address from a temporary failure.
pub async fn bind(address: &Address, options: &SocketOptions) -> Result<Vec<Listener>, BindError> {
    match address {
        Address::Unix(path) => Ok(vec![listen_unix_with_retries(path, options).await?]),
        Address::Tcp { host, port } => {
            let found = resolve(host, *port).await.map_err(|(name, source)| {
                let name = name.to_owned();
                BindError::Resolve { name, source }
            })?;
            listen_tcp(address, &found, matches!(host, Host::Localhost))
        }
    }
}

/// Retries while the path is in use: a wrapper killed between fork and exec of a program leaves a
/// child that keeps the descriptors open until its exec.
async fn listen_unix_with_retries(
    path: &Path,
    options: &SocketOptions,
) -> Result<Listener, BindError> {
    for _ in 0..IN_USE_RETRIES {
        match listen_unix(path, options) {
            Err(BindError::InUse { .. }) => smol::Timer::after(IN_USE_RETRY_INTERVAL).await,
            other => return other,
        };
    }
    listen_unix(path, options)
}

fn listen_unix(path: &Path, options: &SocketOptions) -> Result<Listener, BindError> {
    let mode = Mode::from_raw_mode(options.mode & 0o777);
    let (socket, file) = socket_file::listen(path, mode, options.group)?;
    let socket =
        Async::new_nonblocking(UnixListener::from(socket)).map_err(|source| BindError::Step {
            step: "watch",
            path: path.to_owned(),
            source,
        })?;
    Ok(Listener::new(BoundSocket::Unix {
        file,
        socket,
        path: path.to_owned(),
    }))
}

/// Listens on all of `wanted`; for `localhost`, on the families that the machine has.
fn listen_tcp(
    requested: &Address,
    wanted: &[SocketAddr],
    is_localhost: bool,
) -> Result<Vec<Listener>, BindError> {
    let mut failure = BindError::NoAddress(requested.clone());
    for _ in 0..PORT_ATTEMPTS {
        match try_listen_tcp(wanted, is_localhost) {
            Ok(listeners) if !listeners.is_empty() => return Ok(listeners),
            Ok(_) => return Err(failure),
            Err((error, chosen)) => {
                failure = error;
                if !chosen {
                    return Err(failure);
                }
            }
        }
    }
    Err(failure)
}

/// One attempt. The error comes with whether another port of the kernel's choice may help.
fn try_listen_tcp(
    wanted: &[SocketAddr],
    is_localhost: bool,
) -> Result<Vec<Listener>, (BindError, bool)> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut chosen = None;
    let mut missing = None;
    for address in wanted {
        let mut address = *address;
        if let (0, Some(port)) = (address.port(), chosen) {
            address.set_port(port);
        }
        match listen_on(address) {
            Ok((socket, address)) => {
                chosen = Some(address.port());
                listeners.push(Listener::new(BoundSocket::Tcp { socket, address }));
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error);
                let absent = matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT));
                let failure = tcp_error(address, error);
                if is_localhost && absent {
                    missing = Some(failure);
                    continue;
                }
                let in_use = errno == Some(Errno::ADDRINUSE);
                let was_free = wanted.iter().all(|wanted| wanted.port() == 0);
                return Err((failure, in_use && was_free && !listeners.is_empty()));
            }
        }
    }
    match missing {
        Some(failure) if listeners.is_empty() => Err((failure, false)),
        Some(_) | None => Ok(listeners),
    }
}

fn tcp_error(address: SocketAddr, source: io::Error) -> BindError {
    if source.kind() != io::ErrorKind::AddrInUse {
        return BindError::Tcp { address, source };
    }
    BindError::InUse {
        address: tcp_address(address),
        holder: Holder::Port,
    }
}

fn listen_on(address: SocketAddr) -> io::Result<(Async<TcpListener>, SocketAddr)> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A restart must not wait for its predecessor's connections in TIME_WAIT.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // `[::]` is IPv6 only whatever `bindv6only` says, so that 0.0.0.0 can be bound as well.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    let socket = TcpListener::from(socket);
    let address = socket.local_addr()?;
    Ok((Async::new_nonblocking(socket)?, address))
}

fn tcp_address(address: SocketAddr) -> Address {
    Address::Tcp {
        host: Host::Ip(address.ip()),
        port: address.port(),
    }
}

impl Listener {
    fn new(socket: BoundSocket) -> Self {
        let failure_logged = Cell::new(false);
        Self {
            socket,
            failure_logged,
        }
    }

    /// The bound address, with the actual port.
    pub fn local_address(&self) -> Address {
        match &self.socket {
            BoundSocket::Tcp { address, .. } => tcp_address(*address),
            BoundSocket::Unix { path, .. } => Address::Unix(path.clone()),
        }
    }

    /// The file of a unix socket, with the path at which clients look for it.
    pub fn place(&self) -> Option<Place> {
        match &self.socket {
            BoundSocket::Tcp { .. } => None,
            BoundSocket::Unix { file, path, .. } => Some(Place {
                path: path.clone(),
                id: file.id(),
            }),
        }
    }

    /// Accepts the next connection. Connections that fail before that are skipped.
    ///
    /// # Errors
    ///
    /// The process or the machine lacks descriptors or memory, `accept(2)`. The listener stays
    /// usable: wait, then accept again.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        loop {
            // A flood of connections must not starve other tasks.
            smol::future::yield_now().await;
            let accepted = match &self.socket {
                BoundSocket::Tcp { socket, .. } => match socket.accept().await {
                    Ok((socket, address)) => accepted_tcp(socket, address),
                    Err(error) if concerns_one_connection(&error) => continue,
                    Err(error) => return Err(error),
                },
                BoundSocket::Unix { socket, .. } => match socket.accept().await {
                    Ok((socket, _)) => accepted_unix(socket),
                    Err(error) if concerns_one_connection(&error) => continue,
                    Err(error) => return Err(error),
                },
            };
            match accepted {
                Ok(accepted) => return Ok(accepted),
                // It concerns this connection, unless a seccomp profile refuses the call.
                Err(error) if !self.failure_logged.replace(true) => {
                    let hint =
                        "allow getsockopt (SO_PEERCRED) and setsockopt in the seccomp profile";
                    tracing::warn!(%error, "a connection was closed because its socket options failed; {hint}");
                }
                Err(_) => {}
            }
        }
    }
}

fn accepted_tcp(socket: Async<TcpStream>, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    Ok((Stream::tcp(socket)?, Peer::Tcp(address)))
}

fn accepted_unix(socket: Async<UnixStream>) -> io::Result<(Stream, Peer)> {
    let peer = Peer::of_unix(&socket)?;
    Ok((Stream::unix_client(socket), peer))
}

/// `accept(2)` also reports errors of the pending connection.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::TIMEDOUT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
        )
    )
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            BoundSocket::Tcp { socket, .. } => socket.as_fd(),
            BoundSocket::Unix { socket, .. } => socket.as_fd(),
        }
    }
}
