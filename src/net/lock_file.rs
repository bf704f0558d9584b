//! The lock beside a socket file: its holder may replace and remove the socket.
//!
//! Owns the lock file from creation to removal. It never waits for a lock, and removes only the
//! file that it has locked.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Attempts while the file vanishes between open and lock; then the lock counts as held.
const MAX_ATTEMPTS: u32 = 16;

/// A held lock. The directory stays open, so that neither a change of the working directory nor a
/// rename above leads to another file.
#[derive(Debug)]
pub(crate) struct LockFile {
    directory: OwnedFd,
    name: OsString,
    file: OwnedFd,
}

/// Why there is no lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    /// Another process holds it.
    Held,
    /// The name belongs to another kind of file, or to one with contents.
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
    /// Creates and locks `name` in `directory` without waiting.
    pub(crate) fn take(directory: OwnedFd, name: OsString) -> Result<Self, LockError> {
        for _ in 0..MAX_ATTEMPTS {
            let file = open(directory.as_fd(), &name)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(LockError::Held),
                Err(error) => return Err(error.into()),
            }
            let id = FileId::of(&rustix::fs::fstat(&file)?);
            match stat_at(directory.as_fd(), &name) {
                Ok(found) if FileId::of(&found) == id => {
                    return Ok(Self {
                        directory,
                        name,
                        file,
                    });
                }
                // Its last holder has removed it after the open; others would lock a new file.
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LockError::Held)
    }

    /// The directory of the lock and its socket.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Removed while locked, so that no process locks a file without a name.
        if let Ok(found) = rustix::fs::fstat(&self.file) {
            remove_if(self.directory(), &self.name, FileId::of(&found));
        }
    }
}

fn open(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, LockError> {
    // NONBLOCK and NOCTTY: the name may be a pipe or a terminal.
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
    // A lock is empty: a file with contents belongs to another program.
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_size != 0 {
        return Err(LockError::NotALock);
    }
    Ok(file)
}

/// The identity of a file, whatever its name.
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

/// `lstat(2)` of `name` in `directory`.
pub(super) fn stat_at(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_same_file(directory: BorrowedFd<'_>, name: &OsStr, id: FileId) -> bool {
    stat_at(directory, name).is_ok_and(|found| FileId::of(&found) == id)
}

/// Removes `name` if it still is this file. On failure the next start finds it stale.
pub(super) fn remove_if(directory: BorrowedFd<'_>, name: &OsStr, id: FileId) {
    if is_same_file(directory, name, id) {
        let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
    }
}
