//! A listening socket file: safe creation, takeover of a stale one, removal.
//!
//! Owns the file and its lock. It never replaces a socket with a listener nor another kind of file,
//! never removes a file of another process, and never changes the umask, which the child would
//! inherit. Its calls return at once; they run before the child starts.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::bind_error::{BindError, Holder};
use super::connect::dial;
use super::lock_file::{FileId, LockError, LockFile, remove_if, stat_at};
use crate::address::{Address, MAX_SOCKET_PATH};

/// The backlog in connections; the kernel caps it at `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 1024;

/// The suffix of the temporary name. It is constant, so that a start finds and removes the leftover
/// of a killed predecessor.
const TEMPORARY: &str = ".new";
const LOCK: &str = ".lock";

/// The names of the files which [`listen`] makes beside `path` for its own use.
pub(super) fn names_beside(path: &Path) -> [OsString; 2] {
    let name = path.file_name().unwrap_or_default();
    [TEMPORARY, LOCK].map(|suffix| with_suffix(name, suffix))
}

/// A socket file that this process created. Dropping it removes the file, then the lock, unless
/// another process has replaced them.
#[derive(Debug)]
pub(super) struct SocketFile {
    name: OsString,
    id: FileId,
    // Dropped last: the lock is held until the socket is removed.
    lock: LockFile,
}

impl SocketFile {
    pub(super) const fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_if(self.lock.directory(), &self.name, self.id);
    }
}

/// The paths that belong to one socket.
struct SocketPaths {
    path: PathBuf,
    directory: PathBuf,
    name: OsString,
    temporary: PathBuf,
    temporary_name: OsString,
}

impl SocketPaths {
    fn of(path: &Path) -> Result<Self, BindError> {
        let bytes = path.as_os_str().as_bytes();
        let refused = || BindError::Path(path.to_owned());
        let name = path.file_name().ok_or_else(refused)?;
        // `file_name` ignores a trailing slash.
        if !bytes.ends_with(name.as_bytes()) || bytes.contains(&0) {
            return Err(refused());
        }
        if bytes.len() + TEMPORARY.len() > MAX_SOCKET_PATH {
            return Err(BindError::TooLong {
                path: path.to_owned(),
                reserved: TEMPORARY.len(),
            });
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        Ok(Self {
            path: path.to_owned(),
            directory: directory.to_owned(),
            name: name.to_owned(),
            temporary: PathBuf::from(with_suffix(path.as_os_str(), TEMPORARY)),
            temporary_name: with_suffix(name, TEMPORARY),
        })
    }

    fn in_use(&self, holder: Holder) -> BindError {
        let address = Address::Unix(self.path.clone());
        BindError::InUse { address, holder }
    }
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

fn step_error(step: &'static str, path: &Path) -> impl FnOnce(Errno) -> BindError {
    let path = path.to_owned();
    move |error| BindError::Step {
        step,
        path,
        source: error.into(),
    }
}

/// Listens on a new socket file at `path` with this mode (permission bits only) and group.
pub(super) fn listen(
    path: &Path,
    mode: Mode,
    group: Option<u32>,
) -> Result<(OwnedFd, SocketFile), BindError> {
    let paths = SocketPaths::of(path)?;
    let lock = take_lock(&paths)?;
    remove_stale(&lock, &paths, &paths.temporary, &paths.temporary_name)?;
    remove_stale(&lock, &paths, &paths.path, &paths.name)?;

    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(step_error("create the socket", path))?;
    // Linux creates the file with the mode of the socket, less the umask. In gVisor this may fail:
    // the mode is checked below.
    let _ = rustix::fs::fchmod(&socket, mode);
    SocketAddrUnix::new(paths.temporary.as_path())
        .and_then(|address| rustix::net::bind(&socket, &address))
        .map_err(step_error("bind the socket", &paths.temporary))?;
    let found = stat_at(lock.directory(), &paths.temporary_name)
        .map_err(step_error("find the new socket", &paths.temporary))?;
    // From here on, an error removes the temporary name.
    let mut file = SocketFile {
        name: paths.temporary_name.clone(),
        id: FileId::of(&found),
        lock,
    };
    // No client can connect before `listen`, so none sees another group or mode.
    if let Some(group) = group.filter(|group| *group != found.st_gid) {
        change_group(&file, group).map_err(step_error("set the group of", &paths.temporary))?;
    }
    if Mode::from_raw_mode(found.st_mode) != mode {
        change_mode(&file, mode).map_err(step_error("set the mode of", &paths.temporary))?;
    }
    rustix::net::listen(&socket, BACKLOG).map_err(step_error("listen on", &paths.temporary))?;
    publish(&mut file, &paths)?;
    Ok((socket, file))
}

fn take_lock(paths: &SocketPaths) -> Result<LockFile, BindError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory =
        rustix::fs::openat(CWD, &paths.directory, flags, Mode::empty()).map_err(|error| {
            BindError::Directory {
                directory: paths.directory.clone(),
                source: error.into(),
            }
        })?;
    let path = || PathBuf::from(with_suffix(paths.path.as_os_str(), LOCK));
    LockFile::take(directory, with_suffix(&paths.name, LOCK)).map_err(|error| match error {
        LockError::Held => paths.in_use(Holder::Lock),
        LockError::NotALock => BindError::NotALock(path()),
        LockError::Failed(error) => step_error("lock", &path())(error),
    })
}

/// Removes a socket without a listener at `path`; any other file is an error.
fn remove_stale(
    lock: &LockFile,
    paths: &SocketPaths,
    path: &Path,
    name: &OsStr,
) -> Result<(), BindError> {
    let found = match stat_at(lock.directory(), name) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(step_error("inspect", path)(error)),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match dial(path) {
        // Stale. If another process has replaced it since, `publish` meets the new file.
        Err(Errno::CONNREFUSED) => {
            remove_if(lock.directory(), name, FileId::of(&found));
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        // A full backlog or a datagram socket has an owner as well.
        Ok(_) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(paths.in_use(Holder::Socket)),
        Err(error) => Err(step_error("connect to", path)(error)),
    }
}

/// Changes the mode through `/proc/self/fd`: `fchmodat` follows symbolic links, and the socket's
/// descriptor is not the file.
fn change_mode(file: &SocketFile, mode: Mode) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = file.lock.directory();
    let opened = rustix::fs::openat(directory, &file.name, flags, Mode::empty())?;
    if FileId::of(&rustix::fs::fstat(&opened)?) != file.id {
        return Err(Errno::STALE);
    }
    rustix::fs::chmod(format!("/proc/self/fd/{}", opened.as_raw_fd()), mode)
}

/// Changes the group by name in the held directory, without following a link.
fn change_group(file: &SocketFile, group: u32) -> rustix::io::Result<()> {
    let group = Some(Gid::from_raw(group));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(file.lock.directory(), &file.name, None, group, flags)
}

/// Renames the socket to its final name without replacing a file.
fn publish(file: &mut SocketFile, paths: &SocketPaths) -> Result<(), BindError> {
    let directory = file.lock.directory();
    let (from, to) = (&paths.temporary_name, &paths.name);
    let renamed =
        match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
            // Some file systems lack the flag.
            Err(Errno::INVAL | Errno::NOSYS) => match stat_at(directory, to) {
                Err(Errno::NOENT) => rustix::fs::renameat(directory, from, directory, to),
                Ok(_) => Err(Errno::EXIST),
                Err(error) => Err(error),
            },
            done => done,
        };
    match renamed {
        Ok(()) => file.name.clone_from(&paths.name),
        Err(Errno::EXIST) => return Err(paths.in_use(Holder::Socket)),
        Err(error) => return Err(step_error("rename the socket to", &paths.path)(error)),
    }
    Ok(())
}
