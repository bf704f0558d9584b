//! Why the control API cannot listen.
//!
//! Owns the error of `bind`, and whether it is a usage error or a temporary failure.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::address::{Address, MAX_SOCKET_PATH};

/// Why nothing listens on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path has no file name.
    #[error("{0:?} has no file name; write for example unix:///run/control.sock")]
    Path(PathBuf),
    /// The path does not fit into a socket address, `unix(7)`.
    #[error(
        "{path:?} is too long: a socket path has at most {MAX_SOCKET_PATH} bytes, and {reserved} of \
         them are needed for a temporary name beside it; choose a shorter path"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// The length of the temporary name's suffix in bytes.
        reserved: usize,
    },
    /// The directory cannot be opened.
    #[error(
        "cannot open directory {directory:?} for the socket: {source}; create it or choose another address"
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// Another kind of file has the path. It was not changed.
    #[error("{0:?} exists and is not a socket; remove it, or choose another address")]
    NotASocket(PathBuf),
    /// Another file has the lock's path. It was not changed.
    #[error("{0:?} exists and is not our lock; remove it, or choose another address")]
    NotALock(PathBuf),
    /// Another process listens there.
    #[error("{address} is in use: {holder}; stop that process or choose another address")]
    InUse {
        /// The address.
        address: Address,
        /// The evidence.
        holder: Holder,
    },
    /// A step of the socket file's creation failed.
    #[error("cannot {step} {path:?}: {source}")]
    Step {
        /// The step.
        step: &'static str,
        /// Its file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The resolver knows no address for the name.
    #[error("cannot resolve {name:?}: {source}")]
    Resolve {
        /// The name.
        name: String,
        /// The error of `getaddrinfo(3)`.
        source: io::Error,
    },
    /// The name is known, but has no address.
    #[error("{0} has no address to listen on")]
    NoAddress(Address),
    /// A system call on the way to a listening TCP socket failed.
    #[error("cannot listen on tcp {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The error of the system call.
        source: io::Error,
    },
}

/// The evidence that an address is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Holder {
    /// Another process holds the lock beside the socket.
    #[error("another process-wrapper holds its lock")]
    Lock,
    /// The socket accepts connections.
    #[error("another process listens on the socket")]
    Socket,
    /// The port has a listener.
    #[error("another process listens on the port")]
    Port,
}

impl BindError {
    /// Whether the same command would fail again (exit code 2); otherwise a later attempt may
    /// succeed (exit code 1).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Path(_)
            | Self::TooLong { .. }
            | Self::Directory { .. }
            | Self::NotASocket(_)
            | Self::NotALock(_) => true,
            Self::InUse { .. } | Self::Resolve { .. } | Self::NoAddress(_) => false,
            Self::Step { source, .. } => is_forbidden(source),
            Self::Tcp { source, .. } => {
                is_forbidden(source)
                    || source.kind() == io::ErrorKind::AddrNotAvailable
                    || source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
            }
        }
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_a_usage_error_and_a_busy_one_is_not() {
        let tcp = |error: rustix::io::Errno| BindError::Tcp {
            address: "1.2.3.4:80".parse().unwrap(),
            source: error.into(),
        };
        assert!(BindError::NotASocket("/a".into()).is_usage());
        assert!(tcp(rustix::io::Errno::ACCESS).is_usage());
        assert!(tcp(rustix::io::Errno::ADDRNOTAVAIL).is_usage());
        assert!(tcp(rustix::io::Errno::AFNOSUPPORT).is_usage());
        assert!(!tcp(rustix::io::Errno::MFILE).is_usage());
        let address = Address::Unix("/a".into());
        let holder = Holder::Lock;
        assert!(!BindError::InUse { address, holder }.is_usage());
    }
}
