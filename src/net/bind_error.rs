//! Why the control API cannot listen.
//!
//! Owns the error of `bind` and the line between "choose another address" and "try again later".

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::address::{Address, MAX_SOCKET_PATH};

/// Why nothing listens on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path cannot be that of a socket file.
    #[error("{0:?} names no socket file; write for example unix:///run/control.sock")]
    Path(PathBuf),
    /// The path does not fit into a socket address, `unix(7)`.
    #[error(
        "{path:?} is too long: a socket path has at most {MAX_SOCKET_PATH} bytes, and {reserved} of \
         them are needed for a temporary name beside it; choose a shorter path"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// The bytes that the temporary name is longer than the path.
        reserved: usize,
    },
    /// The directory cannot be opened.
    #[error("cannot use the directory {directory:?} for a socket: {source}; make it first")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The path is taken by something that is not a socket. It was left as it is.
    #[error("{0:?} exists and is not a socket; remove it, or choose another address")]
    NotASocket(PathBuf),
    /// The lock's path is taken by something else. It was left as it is.
    #[error("{0:?} exists and is not our lock; remove it, or choose another address")]
    NotALock(PathBuf),
    /// Somebody listens there already.
    #[error("{address} is in use: {holder}; stop that first, or choose another address")]
    InUse {
        /// The address.
        address: Address,
        /// What shows it.
        holder: Holder,
    },
    /// A step on the way to a socket file failed.
    #[error("cannot {step} {path:?}: {source}")]
    Step {
        /// What was to be done.
        step: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The resolver knows no address for the name.
    #[error("cannot resolve {name:?}: {source}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name is known, but has no address.
    #[error("{0} has no address to listen on")]
    NoAddress(Address),
    /// The kernel does not let us listen there.
    #[error("cannot listen on tcp {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What shows that an address is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Holder {
    /// The lock beside the socket is held.
    #[error("another process-wrapper holds its lock")]
    Lock,
    /// The socket answers.
    #[error("somebody answers on the socket")]
    Socket,
    /// The port is taken.
    #[error("somebody listens on the port")]
    Port,
}

impl BindError {
    /// Whether the address is at fault, so that the same command would fail again: exit code 2. Else
    /// something may have changed by the next try: exit code 1.
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
    fn a_wrong_address_is_told_from_one_that_is_busy() {
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
