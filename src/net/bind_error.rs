//! Why the control API cannot listen.
//!
//! Owns the error of `bind`, and whether it is a usage error or a temporary failure.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::address::{Address, MAX_SOCKET_PATH};
use crate::process::remedy::remedy;

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
        "cannot open directory {directory:?} for the socket: {source}{}",
        directory_hint(source)
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
    #[error("cannot {step} {path:?}: {source}{}", step_hint(source))]
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
    #[error("cannot listen on tcp {address}: {source}{}", remedy(source))]
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
            Self::Path(_) | Self::TooLong { .. } | Self::NotASocket(_) | Self::NotALock(_) => true,
            Self::InUse { .. } | Self::Resolve { .. } | Self::NoAddress(_) => false,
            Self::Directory { source, .. } | Self::Step { source, .. } => is_forbidden(source),
            Self::Tcp { source, .. } => {
                is_forbidden(source)
                    || source.kind() == io::ErrorKind::AddrNotAvailable
                    || Errno::from_io_error(source) == Some(Errno::AFNOSUPPORT)
            }
        }
    }
}

fn directory_hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "; create it or choose another address",
        Some(Errno::ACCESS) => {
            "; this user may not search it: allow that or choose another address"
        }
        Some(Errno::NOTDIR | Errno::LOOP) => "; choose another address",
        Some(_) | None => remedy(error),
    }
}

fn step_hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => {
            "; this user may not create or change it there: allow that or choose another address"
        }
        Some(Errno::ROFS) => "; choose an address on a writable file system",
        Some(Errno::NOSPC | Errno::DQUOT) => "; free space there or choose another address",
        Some(Errno::NOLCK) => "; the file system has no locks left: choose another address",
        Some(_) | None => remedy(error),
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    // ErrorKind has no stable name for a loop of symbolic links.
    Errno::from_io_error(error) == Some(Errno::LOOP)
        || matches!(
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
        let tcp = |error: Errno| BindError::Tcp {
            address: "1.2.3.4:80".parse().unwrap(),
            source: error.into(),
        };
        assert!(BindError::NotASocket("/a".into()).is_usage());
        assert!(tcp(Errno::ACCESS).is_usage());
        assert!(tcp(Errno::ADDRNOTAVAIL).is_usage());
        assert!(tcp(Errno::AFNOSUPPORT).is_usage());
        assert!(!tcp(Errno::MFILE).is_usage());
        let address = Address::Unix("/a".into());
        let holder = Holder::Lock;
        assert!(!BindError::InUse { address, holder }.is_usage());
    }

    #[test]
    fn a_shortage_is_no_missing_directory() {
        let directory = |errno: Errno| BindError::Directory {
            directory: "/a".into(),
            source: errno.into(),
        };
        assert!(directory(Errno::NOENT).is_usage());
        assert!(
            directory(Errno::NOENT)
                .to_string()
                .ends_with("create it or choose another address")
        );
        assert!(!directory(Errno::MFILE).is_usage());
        let text = directory(Errno::MFILE).to_string();
        assert!(
            text.contains("ulimit -n") && !text.contains("create it"),
            "{text}"
        );
        let step = BindError::Step {
            step: "lock",
            path: "/a.lock".into(),
            source: Errno::ACCESS.into(),
        };
        assert!(step.is_usage());
        assert!(step.to_string().contains("this user may not"), "{step}");
    }
}
