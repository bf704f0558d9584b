//! The directories on the path of a socket file.
//!
//! Owns the walk along the path and the look at each directory; `access` judges them. It never
//! changes one.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use crate::access::{PathRisk, link_risk, owned_risk, path_risk, private_risk};

/// A directory or symbolic link that lets another user replace the socket.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{directory:?} {why}, so another user could replace the control socket")]
pub struct UnsafeDirectory {
    /// The directory or link.
    pub directory: PathBuf,
    /// What is wrong with it.
    pub why: PathRisk,
}

fn parent(socket: &Path) -> &Path {
    let parent = socket.parent().filter(|path| !path.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The directory of a socket file and its permission bits; `None` if `stat(2)` fails. Blocks on the
/// file system: only for the start.
pub fn parent_mode(socket: &Path) -> Option<(PathBuf, u32)> {
    let directory = parent(socket);
    let metadata = directory.metadata().ok()?;
    Some((directory.to_owned(), metadata.mode() & 0o777))
}

/// Checks that `directory` itself, not a link to it, is private to user `own`. Blocks on the file
/// system.
///
/// # Errors
///
/// Outside those of `lstat(2)`, inside the risk.
pub(super) fn check_private(directory: &Path, own: u32) -> io::Result<Result<(), UnsafeDirectory>> {
    let metadata = directory.symlink_metadata()?;
    let risk = if metadata.is_dir() {
        private_risk(metadata.uid(), metadata.mode() & 0o7777, own)
    } else {
        Some(PathRisk::NotADirectory)
    };
    let directory = directory.to_owned();
    Ok(risk.map_or(Ok(()), |why| Err(UnsafeDirectory { directory, why })))
}

/// Checks, for root, the directory of any user and the socket in it: a link could lead root to
/// another server, and another user's socket would not be the wrapper's. Where every user may
/// create directories, as in /tmp, only root's own will do. Blocks on the file system.
///
/// # Errors
///
/// Outside those of `lstat(2)`, inside the risk.
pub(super) fn check_of_any_user(socket: &Path) -> io::Result<Result<(), UnsafeDirectory>> {
    let directory = parent(socket);
    let (owner, found) = (directory.symlink_metadata()?, socket.symlink_metadata()?);
    let above = parent(directory).metadata()?.mode();
    let risk = if !owner.is_dir() {
        Some((directory, PathRisk::NotADirectory))
    } else if above & 0o022 != 0 && owner.uid() != 0 {
        Some((directory, PathRisk::Owner(owner.uid())))
    } else if let Some(why) = owned_risk(owner.mode() & 0o7777) {
        Some((directory, why))
    } else if !found.file_type().is_socket() || ![0, owner.uid()].contains(&found.uid()) {
        Some((socket, PathRisk::NotASocket))
    } else {
        None
    };
    Ok(risk.map_or(Ok(()), |(path, why)| {
        Err(UnsafeDirectory {
            directory: path.to_owned(),
            why,
        })
    }))
}

/// The kernel's limit of symbolic links on a path, `path_resolution(7)`.
const MAX_LINKS: u32 = 40;

/// Walks from the root to the directory of `socket` as the kernel does, and returns the first
/// directory or symbolic link that is unsafe for user `own`. Blocks on the file system: only for
/// the start.
///
/// # Errors
///
/// Those of `lstat(2)` and `readlink(2)`, and `ELOOP`.
pub fn find_unsafe(socket: &Path, own: u32) -> io::Result<Option<UnsafeDirectory>> {
    let absolute = std::path::absolute(parent(socket))?;
    let mut resolved = PathBuf::new();
    let mut pending = reversed(&absolute);
    let mut links = 0;
    while let Some(component) = pending.pop() {
        // `resolved` holds no link, so its lexical parent is its real one.
        if component.as_os_str() == ".." {
            resolved.pop();
            continue;
        }
        let directory = resolved.join(component);
        let metadata = directory.symlink_metadata()?;
        let risk = if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            pending.extend(reversed(&directory.read_link()?));
            link_risk(metadata.uid(), own)
        } else {
            resolved.clone_from(&directory);
            path_risk(metadata.uid(), metadata.mode() & 0o7777, own)
        };
        if let Some(why) = risk {
            return Ok(Some(UnsafeDirectory { directory, why }));
        }
    }
    Ok(None)
}

/// The components of a path, the last one first. The root is a component: joining it restarts
/// there.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let components = path.components().rev();
    components
        .filter(|component| *component != Component::CurDir)
        .map(|component| PathBuf::from(component.as_os_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_unsafe_directory_is_found_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let own = rustix::process::geteuid().as_raw();
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        let socket = top.join("a/b/s");
        assert_eq!(find_unsafe(&socket, own).unwrap(), None);
        for (directory, mode, risk) in [
            ("a/b", 0o777, true),
            ("a/b", 0o1777, false),
            ("a", 0o707, true),
            ("a", 0o755, false),
        ] {
            let directory = top.join(directory);
            let mode_ = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&directory, mode_).unwrap();
            let found = find_unsafe(&socket, own).unwrap();
            let expected = risk.then_some(UnsafeDirectory {
                directory,
                why: PathRisk::WorldWritable(mode),
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_link_is_judged_by_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("open", &link).unwrap();
        let found = find_unsafe(&link.join("s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");

        let safe = folder.path().join("safe");
        std::fs::create_dir(&safe).unwrap();
        std::os::unix::fs::symlink("../safe", open.join("link")).unwrap();
        let found = find_unsafe(&open.join("link/s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");
        // Through another link.
        let first = folder.path().join("first");
        std::os::unix::fs::symlink("safe/../open/link", &first).unwrap();
        let found = find_unsafe(&first.join("s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");
        let round = folder.path().join("round");
        std::os::unix::fs::symlink("round", &round).unwrap();
        assert!(find_unsafe(&round.join("s"), own).is_err());
        assert!(find_unsafe(&folder.path().join("missing/s"), own).is_err());
    }

    #[test]
    fn links_between_safe_directories_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let safe = folder.path().join("safe");
        std::fs::create_dir(&safe).unwrap();
        std::os::unix::fs::symlink(&safe, folder.path().join("absolute")).unwrap();
        std::os::unix::fs::symlink("./../absolute/../safe", safe.join("relative")).unwrap();
        let socket = safe.join("relative/relative/s");
        assert_eq!(find_unsafe(&socket, own).unwrap(), None);
    }
}
