//! The files of the state directory.
//!
//! Owns the directory, its lock, and each system call on its files. Every call blocks: they run at
//! the start or on the thread of `writer`. It never follows a link in the directory and never
//! changes a file that is not its own.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::frame::{MAX_BYTES, Unreadable};
use super::record::{Record, is_id};
use crate::access::{PathRisk, private_risk};
use crate::net::directory::{UnsafeDirectory, find_unsafe};
use crate::net::lock_file::{LockError, LockFile};

const LOCK: &str = ".lock";
pub(super) const FILE: &str = ".webhook";
/// Holds what is being written, until it is renamed. Without meaning after a crash.
const TEMPORARY: &str = ".new";
/// Holds what no wrapper can read.
const BAD: &str = ".bad";

/// How many undelivered webhooks a start takes up. More would fill its memory; the rest stays on
/// disk for a later start.
const MAX_PENDING: usize = 1024;

/// How many failed webhooks a start takes up: the newest. The rest stays on disk.
const MAX_FAILED: usize = 64;

/// A state directory that belongs to this wrapper.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: LockFile,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It can be neither opened nor created.
    #[error("directory {path:?} cannot be {step}: {source}")]
    Failed {
        /// The directory.
        path: PathBuf,
        /// `created`, `opened`, `locked`.
        step: &'static str,
        /// `mkdir(2)`, `openat(2)`, `fstat(2)`, `flock(2)`.
        source: io::Error,
    },
    /// A link could be replaced.
    #[error("directory {0:?} is a symbolic link; name its target or a directory in it")]
    Link(PathBuf),
    /// Other users can read or change the files in it.
    #[error(
        "directory {path:?} {why}; the headers of webhooks in it can be secrets; name a directory \
         in it that does not exist yet, which process-wrapper creates"
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: PathRisk,
    },
    /// Another wrapper has it.
    #[error("directory {0:?} is in use by another process-wrapper; give each its own")]
    InUse(PathBuf),
    /// The name of the lock belongs to a file of another program.
    #[error("{0:?} is no lock file of process-wrapper; name another directory")]
    NotALock(PathBuf),
}

/// What a file of the directory turned out to be.
#[derive(Debug)]
pub enum Found {
    /// A webhook.
    Record(Box<Record>),
    /// No webhook; set aside under the name with `.bad`, if that was possible.
    SetAside {
        /// The name before.
        name: OsString,
        /// Why.
        why: Unreadable,
    },
    /// Left where it is.
    Left {
        /// The name.
        name: OsString,
        /// Why.
        why: String,
    },
}

impl Directory {
    /// Opens the directory, after creating it if need be, and locks it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let path = without_slash(path);
        let failed = |step| {
            move |error: Errno| DirectoryError::Failed {
                path: path.to_owned(),
                step,
                source: error.into(),
            }
        };
        let is_new = match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed("created")(error)),
        };
        let directory = open_directory(path).map_err(|error| match path.is_symlink() {
            true => DirectoryError::Link(path.to_owned()),
            false => failed("opened")(error),
        })?;
        let found = rustix::fs::fstat(&directory).map_err(failed("opened"))?;
        let own = rustix::process::geteuid().as_raw();
        if let Some(why) = private_risk(found.st_uid, found.st_mode & 0o7777, own) {
            let path = path.to_owned();
            return Err(DirectoryError::Open { path, why });
        }
        if is_new {
            // The umask may have taken bits away.
            rustix::fs::fchmod(&directory, Mode::RWXU).map_err(failed("created"))?;
            sync_parent(path);
        }
        let lock = LockFile::take(directory, LOCK.into()).map_err(|error| match error {
            LockError::Held => DirectoryError::InUse(path.to_owned()),
            LockError::NotALock => DirectoryError::NotALock(path.join(LOCK)),
            LockError::Failed(error) => failed("locked")(error),
        })?;
        let path = path.to_owned();
        Ok(Self { path, lock })
    }

    /// The directory above that lets another user rename this one, if there is one. An error of
    /// the walk is none: the directory itself is open.
    pub fn unsafe_parent(&self) -> Option<UnsafeDirectory> {
        let own = rustix::process::geteuid().as_raw();
        find_unsafe(&self.path, own).ok().flatten()
    }

    /// Its path, as the option names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes these contents those of the file of a webhook: after a crash at any point it has the
    /// old ones or the new ones, and the new ones once this returns.
    ///
    /// # Errors
    /// `openat(2)`, `write(2)`, `fsync(2)`, `renameat(2)`; the old contents are still there.
    pub fn write(&self, id: &str, contents: &[u8]) -> io::Result<()> {
        let (name, temporary) = (name(id, FILE), name(id, TEMPORARY));
        let written = self.write_temporary(&temporary, contents);
        let renamed = written.and_then(|()| {
            rustix::fs::renameat(self.fd(), &temporary, self.fd(), &name)?;
            // The rename is on disk once the directory is.
            Ok(rustix::fs::fsync(self.fd())?)
        });
        if renamed.is_err() {
            let _ = rustix::fs::unlinkat(self.fd(), &temporary, AtFlags::empty());
        }
        renamed
    }

    fn write_temporary(&self, temporary: &OsStr, contents: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::TRUNC
            | OFlags::CLOEXEC
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(self.fd(), temporary, flags, mode)?;
        // The umask may have taken bits away.
        rustix::fs::fchmod(&file, mode)?;
        let mut file = std::fs::File::from(file);
        file.write_all(contents)?;
        file.sync_all()
    }

    /// Removes the file of a webhook; one that is not there is no error.
    ///
    /// # Errors
    /// `unlinkat(2)`, `fsync(2)`.
    pub fn remove(&self, id: &str) -> io::Result<()> {
        self.unlink(&name(id, FILE))?;
        Ok(rustix::fs::fsync(self.fd())?)
    }

    /// Removes a file by its name; one that is not there is no error.
    ///
    /// # Errors
    /// `unlinkat(2)`.
    pub fn unlink(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(self.fd(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads every webhook, sets aside what is none, and removes what a crash left half written.
    /// Removes a failed webhook that is `over`, unless an operator has left an order about it.
    ///
    /// # Errors
    /// `getdents64(2)`.
    pub fn load(&self, over: impl Fn(&Record) -> bool) -> io::Result<Vec<Found>> {
        let orders = self.orders()?;
        let has_order = |id: &str| orders.iter().any(|(ordered, _)| ordered == id);
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        let (mut pending, mut left) = (0_usize, None);
        for name in names(self.fd())? {
            if let Some(id) = id_before(&name, TEMPORARY) {
                // On failure it stays without effect.
                let _ = self.unlink(&self::name(id, TEMPORARY));
            }
            if !name.as_bytes().ends_with(FILE.as_bytes()) {
                continue;
            }
            match self.load_one(name) {
                Found::Record(record) if record.failed_at.is_some() && !has_order(&record.id) => {
                    if over(&record) {
                        // On failure the next start finds it again.
                        let _ = self.remove(&record.id);
                        continue;
                    }
                    failed.push(record);
                    if failed.len() > MAX_FAILED {
                        failed.sort_by_key(|record| std::cmp::Reverse(record.failed_at));
                        left = failed.pop();
                    }
                }
                Found::Record(record) if pending == MAX_PENDING => left = Some(record),
                Found::Record(record) => {
                    pending += 1;
                    found.push(Found::Record(record));
                }
                other @ (Found::SetAside { .. } | Found::Left { .. }) => found.push(other),
            }
        }
        found.extend(failed.into_iter().map(Found::Record));
        found.extend(left.map(|record| Found::Left {
            name: name(&record.id, FILE),
            why: format!(
                "a start takes up {MAX_PENDING} undelivered and {MAX_FAILED} failed webhooks; this \
                 one, perhaps with others, waits for a later start"
            ),
        }));
        Ok(found)
    }

    /// Whether there is a file of this webhook, read or not.
    pub fn has(&self, id: &str) -> bool {
        let found = rustix::fs::statat(self.fd(), name(id, FILE), AtFlags::SYMLINK_NOFOLLOW);
        // After another error it may be there.
        !matches!(found, Err(Errno::NOENT))
    }

    fn load_one(&self, name: OsString) -> Found {
        let unreadable = match read(self.fd(), &name) {
            Ok(Ok(record)) => return Found::Record(record),
            Ok(Err(unreadable)) => unreadable,
            Err(error) => {
                let why = error.to_string();
                return Found::Left { name, why };
            }
        };
        match unreadable {
            // Its checksum fits: a wrapper has written it, and another one may read it.
            Unreadable::Version(_) | Unreadable::Message | Unreadable::Field(_) => {
                let why = unreadable.to_string();
                return Found::Left { name, why };
            }
            Unreadable::Foreign | Unreadable::Length | Unreadable::Checksum => {}
        }
        let mut aside = name.clone();
        aside.push(BAD);
        match rustix::fs::renameat(self.fd(), &name, self.fd(), &aside) {
            Ok(()) => Found::SetAside {
                name,
                why: unreadable,
            },
            Err(error) => Found::Left {
                name,
                why: format!("{unreadable}, and it cannot be renamed: {error}"),
            },
        }
    }

    pub(super) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.lock.directory()
    }
}

/// Reads every webhook of a directory that may belong to a running wrapper, and changes nothing.
///
/// # Errors
/// `openat(2)`, `getdents64(2)`.
pub fn peek(path: &Path) -> io::Result<Vec<Found>> {
    let directory = open_directory(path)?;
    let files = names(directory.as_fd())?
        .into_iter()
        .filter(|name| name.as_bytes().ends_with(FILE.as_bytes()));
    let found = files.map(|name| match read(directory.as_fd(), &name) {
        Ok(Ok(record)) => Some(Found::Record(record)),
        Ok(Err(why)) => {
            let why = why.to_string();
            Some(Found::Left { name, why })
        }
        // Delivered meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let why = error.to_string();
            Some(Found::Left { name, why })
        }
    });
    Ok(found.flatten().collect())
}

pub(super) fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    // Not O_PATH, which cannot be synced. NOFOLLOW: a link at the end could be replaced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(CWD, without_slash(path), flags, Mode::empty())
}

/// The path without slashes at its end, which would follow a link there.
fn without_slash(path: &Path) -> &Path {
    path.components().as_path()
}

/// Puts a new directory on disk, as far as the directory above may be opened and can be synced.
fn sync_parent(path: &Path) {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let _ = rustix::fs::openat(CWD, parent, flags, Mode::empty()).and_then(rustix::fs::fsync);
}

pub(super) fn names(directory: std::os::fd::BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        names.push(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned());
    }
    // The order of the directory is that of its hashes.
    names.sort_unstable();
    Ok(names)
}

/// The id in the name of a file with this suffix.
pub(super) fn id_before<'a>(name: &'a OsStr, suffix: &str) -> Option<&'a str> {
    let id = name.to_str()?.strip_suffix(suffix)?;
    is_id(id).then_some(id)
}

pub(super) fn name(id: &str, suffix: &str) -> OsString {
    debug_assert!(is_id(id), "no path");
    format!("{id}{suffix}").into()
}

type Contents = Result<Box<Record>, Unreadable>;

/// The record of a file. An error outside is of the system.
fn read(directory: std::os::fd::BorrowedFd<'_>, name: &OsStr) -> io::Result<Contents> {
    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        // A symbolic link, a socket.
        Err(Errno::LOOP | Errno::NXIO) => return Ok(Err(Unreadable::Foreign)),
        Err(error) => return Err(error.into()),
    };
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Ok(Err(Unreadable::Foreign));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    std::fs::File::from(file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(match Record::decode(&bytes) {
        // A copy under another name would be delivered twice.
        Ok(record) if id_before(name, FILE) != Some(&record.id) => Err(Unreadable::Foreign),
        Ok(record) => Ok(Box::new(record)),
        Err(why) => Err(why),
    })
}

#[cfg(test)]
mod tests;
