//! The directories above a socket file.
//!
//! Owns the look at each of them. What is wrong with one is judged in `access`; it never changes one.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::access::{Doubt, doubt};

/// A directory in which others could put another socket in the place of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the directory {directory:?} {why}, so that others could put their own socket in our place"
)]
pub struct Replaceable {
    /// The directory.
    pub directory: PathBuf,
    /// What is wrong with it.
    pub why: Doubt,
}

/// The directory of a socket file and its permission bits; `None` if it cannot be looked at. Blocks on the
/// file system: only for the start.
pub fn of(socket: &Path) -> Option<(PathBuf, u32)> {
    let parent = socket.parent().filter(|path| !path.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let found = directory.metadata().ok()?;
    Some((directory.to_owned(), found.mode() & 0o777))
}

/// Looks at all directories from that of `socket` up to the root, as written and by their real names,
/// and says which is unsafe for user `own`. Blocks on the file system: only for the start.
///
/// # Errors
///
/// Those of `realpath(3)` and `stat(2)`.
pub fn replaceable(socket: &Path, own: u32) -> io::Result<Option<Replaceable>> {
    let parent = socket.parent().filter(|path| !path.as_os_str().is_empty());
    let written = std::path::absolute(parent.unwrap_or(Path::new(".")))?;
    let real = written.canonicalize()?;
    // As written too: where a link lies decides who may turn it elsewhere.
    for directory in real.ancestors().chain(written.ancestors()) {
        let found = directory.metadata()?;
        if let Some(why) = doubt(found.uid(), found.mode() & 0o7777, own) {
            let directory = directory.to_owned();
            return Ok(Some(Replaceable { directory, why }));
        }
    }
    Ok(None)
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
                why: Doubt::Mode(mode),
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
        assert!(replaceable(&folder.path().join("missing/s"), own).is_err());
    }
}
