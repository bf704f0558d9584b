//! Marker files: what an operator wants done with a webhook.
//!
//! Owns their names, and the wait for one. A marker is an empty file `ID.retry` or `ID.drop` beside
//! the webhook; it stays until the wrapper has done it, so that the next start does what a killed
//! wrapper has not. It never changes a webhook.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use smol::Async;

use super::directory::{Directory, FILE, id_before, name, names, open_directory};

/// What is to be done with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Deliver one that was given up, with the whole time again.
    Retry,
    /// Forget it, delivered or not.
    Drop,
}

impl Order {
    const ALL: [Self; 2] = [Self::Retry, Self::Drop];

    /// The word of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Retry => ".retry",
            Self::Drop => ".drop",
        }
    }
}

/// Leaves a marker in a directory that may belong to a running wrapper.
///
/// # Errors
/// ENOENT without this webhook; `openat(2)`.
pub fn leave(path: &Path, id: &str, order: Order) -> io::Result<()> {
    let directory = open_directory(path)?;
    rustix::fs::statat(&directory, name(id, FILE), AtFlags::SYMLINK_NOFOLLOW)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::openat(&directory, name(id, order.suffix()), flags, mode)?;
    Ok(())
}

impl Directory {
    /// The markers that wait.
    ///
    /// # Errors
    /// `getdents64(2)`.
    pub fn orders(&self) -> io::Result<Vec<(String, Order)>> {
        let mut orders = Vec::new();
        for name in names(self.fd())? {
            let order = Order::ALL.into_iter().find_map(|order| {
                let id = id_before(&name, order.suffix())?;
                Some((id.to_owned(), order))
            });
            orders.extend(order);
        }
        Ok(orders)
    }

    /// Removes a marker: what it says is done.
    ///
    /// # Errors
    /// `unlinkat(2)`.
    pub fn obeyed(&self, id: &str, order: Order) -> io::Result<()> {
        self.unlink(&name(id, order.suffix()))
    }
}

/// Sees new markers in a directory, inotify(7).
#[derive(Debug)]
pub struct MarkerWatch(Async<OwnedFd>);

impl MarkerWatch {
    /// Watches the directory from now on.
    ///
    /// # Errors
    /// EMFILE, ENOSPC, ENOMEM; `inotify_init1(2)`, `inotify_add_watch(2)`.
    pub fn new(path: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mask = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, path, mask)?;
        Ok(Self(Async::new_nonblocking(fd)?))
    }

    /// Completes once there may be a new marker. The wrapper's own files wake it, and count for
    /// none.
    ///
    /// # Errors
    /// `read(2)`.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(self.0.as_fd(), &mut buffer);
            let mut found = false;
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().and_then(|name| name.to_str().ok());
                        let is_marker = name.is_some_and(|name| {
                            Order::ALL
                                .iter()
                                .any(|order| name.ends_with(order.suffix()))
                        });
                        found |= is_marker || event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    }
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if found {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::FutureExt as _;

    use super::*;
    use crate::spool::frame::tests::{ID, full};

    #[test]
    fn a_marker_is_seen_and_stays_until_it_is_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("state")).unwrap();
        let missing = leave(directory.path(), ID, Order::Drop).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let watch = MarkerWatch::new(directory.path()).unwrap();
        directory.write(ID, &full().encode().unwrap()).unwrap();
        // Twice is once.
        leave(directory.path(), ID, Order::Retry).unwrap();
        leave(directory.path(), ID, Order::Retry).unwrap();
        let late = async {
            smol::Timer::after(std::time::Duration::from_secs(20)).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        smol::block_on(watch.changed().or(late)).unwrap();
        let orders = [(ID.to_owned(), Order::Retry)];
        assert_eq!(directory.orders().unwrap(), orders);
        assert_eq!(directory.load(|_| false).unwrap().len(), 1);
        assert_eq!(directory.orders().unwrap(), orders);
        directory.obeyed(ID, Order::Retry).unwrap();
        assert!(directory.orders().unwrap().is_empty());
    }
}
