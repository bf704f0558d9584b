//! The identity of the other end of a connection.
//!
//! Owns the [`Peer`] type and the credentials of unix sockets. It never decides what a peer may do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::sys::socket::sockopt::PeerCredentials;

use crate::access::PeerGroup;

/// The other end of an accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection from this address, which is no identity.
    Tcp(SocketAddr),
    /// A connection over TLS from this address.
    Tls {
        /// The peer's address.
        address: SocketAddr,
        /// The DNS names and URIs of its valid certificate; empty if none was requested or it has
        /// none.
        names: Vec<String>,
    },
    /// A connection over a socket file, with the credentials the peer had when it connected.
    Unix {
        /// The effective user in our user namespace. 65534 (`nobody`) also stands for every user
        /// outside the namespace, so it is no identity.
        uid: u32,
        /// The effective group, with the same limit as `uid`.
        gid: u32,
        /// The process; `None` if it is outside our pid namespace. For logs only: it may have
        /// exited and its id may have been reused.
        pid: Option<i32>,
    },
}

impl Peer {
    /// Reads the credentials of a unix socket's peer: `SO_PEERCRED`, `unix(7)`.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`; none for an accepted unix socket.
    pub(super) fn of_unix(socket: impl AsFd) -> io::Result<Self> {
        // Through nix: the kernel writes pid 0 for a process outside our pid namespace, which
        // rustix's type cannot hold.
        let credentials = nix::sys::socket::getsockopt(&socket, PeerCredentials)?;
        let pid = credentials.pid();
        Ok(Self::Unix {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid: (pid > 0).then_some(pid),
        })
    }

    /// The peers that share a budget with this one.
    #[must_use]
    pub fn group(&self) -> PeerGroup {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } => PeerGroup::from(address.ip()),
            Self::Unix { uid, .. } => PeerGroup::User(*uid),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Tls { address, names } => {
                write!(f, "tls {address}")?;
                for (n, name) in names.iter().enumerate() {
                    write!(f, "{}{name:?}", if n == 0 { " as " } else { "," })?;
                }
                Ok(())
            }
            Self::Unix { uid, gid, pid } => {
                write!(f, "unix uid={uid} gid={gid}")?;
                match pid {
                    Some(pid) => write!(f, " pid={pid}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_unix_peer_has_the_credentials_of_its_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        assert_eq!(
            Peer::of_unix(&here).unwrap(),
            Peer::Unix {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                pid: Some(rustix::process::getpid().as_raw_pid()),
            }
        );
    }

    #[test]
    fn peers_print_for_a_log_line() {
        let tcp = Peer::Tcp("127.0.0.1:4242".parse().unwrap());
        assert_eq!(tcp.to_string(), "tcp 127.0.0.1:4242");
        let tls = |names: &[&str]| Peer::Tls {
            address: "127.0.0.1:4242".parse().unwrap(),
            names: names.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(tls(&[]).to_string(), "tls 127.0.0.1:4242");
        // A URI may hold a comma.
        assert_eq!(
            tls(&["a", "b"]).to_string(),
            r#"tls 127.0.0.1:4242 as "a","b""#
        );
        let unix = |pid| Peer::Unix {
            uid: 0,
            gid: 5,
            pid,
        };
        assert_eq!(unix(Some(77)).to_string(), "unix uid=0 gid=5 pid=77");
        assert_eq!(unix(None).to_string(), "unix uid=0 gid=5");
    }
}
