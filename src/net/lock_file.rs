//! The lock beside a socket file: who holds it may replace and remove the socket.
//!
//! Owns the lock file from its making to its removal. It never waits for a lock and never removes a
//! file that is not the one it has locked.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

/// How often the file may vanish between opening and locking it before we call it contested.
const MAX_ATTEMPTS: u32 = 16;

/// A lock that is held, in a directory that is kept open: neither a change of the working directory
/// nor a rename above makes us touch another file.
#[derive(Debug)]
pub(super) struct LockFile {
    directory: OwnedFd,
    name: OsString,
    file: OwnedFd,
}

/// Why there is no lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LockError {
    /// Somebody holds it.
    Held,
    /// Something else has its name.
    NotALock,
    /// A system call failed.
    Failed(Errno),
}

impl From<Errno> for LockError {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

impl LockFile {
    /// Makes and locks `name` in `directory`, without waiting.
    pub(super) fn take(directory: OwnedFd, name: OsString) -> Result<Self, LockError> {
        for _ in 0..MAX_ATTEMPTS {
            let file = open(directory.as_fd(), &name)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(LockError::Held),
                Err(error) => return Err(error.into()),
            }
            // Its last holder may have removed it after we opened it; then others lock another file.
            if is_same_file(
                directory.as_fd(),
                &name,
                FileId::of(&rustix::fs::fstat(&file)?),
            ) {
                return Ok(Self {
                    directory,
                    name,
                    file,
                });
            }
        }
        Err(LockError::Held)
    }

    /// The directory of the lock and of what it guards.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody holds it in vain.
        if let Ok(found) = rustix::fs::fstat(&self.file) {
            remove_if(self.directory(), &self.name, FileId::of(&found));
        }
    }
}

fn open(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, LockError> {
    // NONBLOCK and NOCTTY: a pipe or a terminal under this name shall neither hold us nor become ours.
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    let file = match rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => file,
        // A symbolic link, a directory, a socket.
        Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Err(LockError::NotALock),
        Err(error) => return Err(error.into()),
    };
    // Ours is always empty; what holds something belongs to somebody.
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_size != 0 {
        return Err(LockError::NotALock);
    }
    Ok(file)
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev,
            inode: found.st_ino,
        }
    }
}

/// What is called `name` in `directory`; a symbolic link is not followed.
pub(super) fn stat_at(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_same_file(directory: BorrowedFd<'_>, name: &OsStr, id: FileId) -> bool {
    stat_at(directory, name).is_ok_and(|found| FileId::of(&found) == id)
}

/// Removes `name` if it still is this file. What cannot be removed is found stale by the next.
pub(super) fn remove_if(directory: BorrowedFd<'_>, name: &OsStr, id: FileId) {
    if is_same_file(directory, name, id) {
        let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
    }
}
