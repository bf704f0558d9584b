//! The directories above a socket file.
//!
//! Owns the look at each of them. What is wrong with one is judged in `access`; it never changes one.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::access::{PathRisk, link_risk, path_risk};

/// A directory in which others could put another socket in the place of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directory {directory:?} {why}, so that others could put their own socket in our place"
)]
pub struct Replaceable {
    /// The directory.
    pub directory: PathBuf,
    /// What is wrong with it.
    pub why: PathRisk,
}

/// The directory of a socket file and its permission bits; `None` if it cannot be looked at. Blocks on the
/// file system: only for the start.
pub fn of(socket: &Path) -> Option<(PathBuf, u32)> {
    let parent = socket.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let found = directory.metadata().ok()?;
    Some((directory.to_owned(), found.mode() & 0o777))
}

/// How many symbolic links may be on the way, as with the kernel, `path_resolution(7)`.
const MOST_LINKS: u32 = 40;

/// Goes the way from the root to the directory of `socket` as the kernel does, and says which directory or
/// symbolic link on it is unsafe for user `own`. Blocks on the file system: only for the start.
///
/// # Errors
///
/// Those of `lstat(2)` and `readlink(2)`, and `ELOOP`.
pub fn replaceable(socket: &Path, own: u32) -> io::Result<Option<Replaceable>> {
    let parent = socket.parent().filter(|path| !path.as_os_str().is_empty());
    let written = std::path::absolute(parent.unwrap_or(Path::new(".")))?;
    let mut here = PathBuf::new();
    let mut ahead = reversed(&written);
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        let there = match step.as_os_str() {
            // What is here is no link, so that its parent is the one that is written.
            name if name == ".." => {
                here.pop();
                continue;
            }
            name => here.join(name),
        };
        let found = there.symlink_metadata()?;
        let doubted = if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            ahead.extend(reversed(&there.read_link()?));
            link_risk(found.uid(), own)
        } else {
            here.clone_from(&there);
            path_risk(found.uid(), found.mode() & 0o7777, own)
        };
        if let Some(why) = doubted {
            let directory = there;
            return Ok(Some(Replaceable { directory, why }));
        }
    }
    Ok(None)
}

/// The steps of a path, the last one first. The root is a step: joined to anything it leads back to the start.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let steps = path.components().rev();
    steps
        .filter(|step| *step != Component::CurDir)
        .map(|step| PathBuf::from(step.as_os_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_unsafe_directory_is_found_at_any_height() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let own = rustix::process::geteuid().as_raw();
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        let socket = top.join("a/b/s");
        assert_eq!(replaceable(&socket, own).unwrap(), None);
        for (directory, mode, doubted) in [
            ("a/b", 0o777, true),
            ("a/b", 0o1777, false),
            ("a", 0o707, true),
            ("a", 0o755, false),
        ] {
            let directory = top.join(directory);
            let mode_ = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&directory, mode_).unwrap();
            let found = replaceable(&socket, own).unwrap();
            let expected = doubted.then_some(Replaceable {
                directory,
                why: PathRisk::Mode(mode),
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_link_on_the_way_is_judged_by_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("open", &link).unwrap();
        let found = replaceable(&link.join("s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");

        let safe = folder.path().join("safe");
        std::fs::create_dir(&safe).unwrap();
        std::os::unix::fs::symlink("../safe", open.join("link")).unwrap();
        let found = replaceable(&open.join("link/s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");
        // By way of another link.
        let first = folder.path().join("first");
        std::os::unix::fs::symlink("safe/../open/link", &first).unwrap();
        let found = replaceable(&first.join("s"), own).unwrap().unwrap();
        assert!(found.directory.ends_with("open"), "{found}");
        let round = folder.path().join("round");
        std::os::unix::fs::symlink("round", &round).unwrap();
        assert!(replaceable(&round.join("s"), own).is_err());
        assert!(replaceable(&folder.path().join("missing/s"), own).is_err());
    }

    #[test]
    fn links_that_stay_where_it_is_safe_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::geteuid().as_raw();
        let safe = folder.path().join("safe");
        std::fs::create_dir(&safe).unwrap();
        std::os::unix::fs::symlink(&safe, folder.path().join("absolute")).unwrap();
        std::os::unix::fs::symlink("./../absolute/../safe", safe.join("relative")).unwrap();
        let socket = safe.join("relative/relative/s");
        assert_eq!(replaceable(&socket, own).unwrap(), None);
    }
}
