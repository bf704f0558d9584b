//! A listening socket file: its safe making, the take-over of a stale one, and its removal.
//!
//! Owns the file and its lock from start to end. It never replaces a socket that somebody answers on nor
//! a file that is not a socket, never removes one that is not ours, and never changes the umask, which
//! our child would inherit. Its calls return at once; they run before the child is there.

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

/// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 1024;

/// Ends the name under which a socket is made ready. It is the same each time, so that what a killed
/// predecessor left is found and removed.
const TEMPORARY: &str = ".new";
const LOCK: &str = ".lock";

/// A socket file of ours. Dropping it removes the file and then the lock, if they are still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    name: OsString,
    id: FileId,
    // Dropped last, hence the lock is still held when the socket is removed.
    lock: LockFile,
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
        // `file_name` overlooks what follows a slash at the end.
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
        .map_err(step_error("make the socket", path))?;
    // Linux makes the file with the mode of the socket, less the umask. Elsewhere (gVisor) this may
    // fail: the mode is looked at below.
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
    // Nobody can connect before `listen`: nobody ever meets another group or mode than the right one.
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

/// Makes way at `path`: a socket that nobody answers on is removed, all else is an error.
fn remove_stale(
    lock: &LockFile,
    paths: &SocketPaths,
    path: &Path,
    name: &OsStr,
) -> Result<(), BindError> {
    let found = match stat_at(lock.directory(), name) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(step_error("look at", path)(error)),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match dial(path) {
        // Stale. Should somebody have replaced it meanwhile, theirs stays, and is met when we publish.
        Err(Errno::CONNREFUSED) => {
            remove_if(lock.directory(), name, FileId::of(&found));
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        // A full queue, or a datagram socket, is somebody's as well.
        Ok(_) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(paths.in_use(Holder::Socket)),
        Err(error) => Err(step_error("find out who listens on", path)(error)),
    }
}

/// `fchmodat` follows symbolic links and the socket's descriptor is not the file: hence the detour.
fn change_mode(file: &SocketFile, mode: Mode) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = file.lock.directory();
    let opened = rustix::fs::openat(directory, &file.name, flags, Mode::empty())?;
    if FileId::of(&rustix::fs::fstat(&opened)?) != file.id {
        return Err(Errno::STALE);
    }
    rustix::fs::chmod(format!("/proc/self/fd/{}", opened.as_raw_fd()), mode)
}

/// By its name in a directory that we hold, without following a link that somebody put there.
fn change_group(file: &SocketFile, group: u32) -> rustix::io::Result<()> {
    let group = Some(Gid::from_raw(group));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(file.lock.directory(), &file.name, None, group, flags)
}

/// Gives the socket its name, and never at the cost of a file that came there meanwhile.
fn publish(file: &mut SocketFile, paths: &SocketPaths) -> Result<(), BindError> {
    let directory = file.lock.directory();
    let (from, to) = (&paths.temporary_name, &paths.name);
    let renamed =
        match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
            // Some file systems know no such flag.
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
        Err(error) => return Err(step_error("give the socket its name", &paths.path)(error)),
    }
    Ok(())
}
