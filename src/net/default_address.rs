//! Where the control API is when nobody says.
//!
//! Owns that choice and the making of the one directory it needs. It never makes a directory for an
//! address that somebody chose, and never repairs one that is not as it should be.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::io::Errno;

use crate::address::{Address, InvalidAddress};

/// The variable that overrides the default, for the server and its clients.
pub const VARIABLE: &str = "PROCESS_WRAPPER_ADDRESS";

/// What the choice rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The effective user.
    pub uid: u32,
    /// `PROCESS_WRAPPER_ADDRESS`.
    pub address: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_directory: Option<OsString>,
}

impl Environment {
    /// That of this process.
    pub fn of_this_process() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            address: env::var_os(VARIABLE),
            runtime_directory: env::var_os("XDG_RUNTIME_DIR"),
        }
    }
}

/// Why there is no default address.
#[derive(Debug, thiserror::Error)]
pub enum DefaultAddressError {
    /// The variable holds something else.
    #[error("{VARIABLE}: {0}")]
    Variable(#[from] InvalidAddress),
    /// The variable is not text.
    #[error("{VARIABLE}: {0:?} is not valid UTF-8; write for example unix:///run/control.sock")]
    NotText(OsString),
    /// The directory cannot be made.
    #[error(
        "cannot make {directory:?} for the control socket: {source}; choose another place with --listen"
    )]
    Make {
        /// The directory.
        directory: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory is not safe to put a socket in.
    #[error("{directory:?} {why}; put that right, or choose another place with --listen")]
    Unsafe {
        /// The directory.
        directory: PathBuf,
        /// What is wrong with it.
        why: DirectoryProblem,
    },
}

/// Why a directory is not safe: others could put their own socket in our place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryProblem {
    /// A symbolic link, or a file.
    #[error("is not a directory")]
    NotADirectory,
    /// It belongs to this user.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// Its mode lets others in.
    #[error("is open to others (its mode is {0:o} and must be 700)")]
    Mode(u32),
}

/// Where the choice fell.
enum Choice {
    Given(Address),
    Ours { directory: PathBuf },
}

impl Choice {
    fn address(self) -> Address {
        match self {
            Self::Given(address) => address,
            Self::Ours { directory } => Address::Unix(directory.join("control.sock")),
        }
    }
}

fn choose(environment: &Environment) -> Result<Choice, DefaultAddressError> {
    if let Some(value) = &environment.address {
        let not_text = || DefaultAddressError::NotText(value.clone());
        let address = value.to_str().ok_or_else(not_text)?.parse()?;
        return Ok(Choice::Given(address));
    }
    let directory = if environment.uid == 0 {
        PathBuf::from("/run/process-wrapper")
    } else {
        // The XDG base directory specification: a relative path is as good as none.
        match environment.runtime_directory.as_deref().map(Path::new) {
            Some(path) if path.is_absolute() => path.join("process-wrapper"),
            Some(_) | None => PathBuf::from(format!("/tmp/process-wrapper-{}", environment.uid)),
        }
    };
    Ok(Choice::Ours { directory })
}

/// Says where the control API is by default: `PROCESS_WRAPPER_ADDRESS`, else a socket file in
/// `/run/process-wrapper` (root), `$XDG_RUNTIME_DIR/process-wrapper` or `/tmp/process-wrapper-UID`.
///
/// # Errors
///
/// The variable is set and is not an address, or the directory is there and is not ours alone: then
/// somebody else's socket may be in it, to be told what is meant for ours.
pub fn default_address(environment: &Environment) -> Result<Address, DefaultAddressError> {
    let choice = choose(environment)?;
    if let Choice::Ours { directory } = &choice {
        match inspect(directory, environment.uid) {
            Ok(()) => {}
            // Whoever connects says it better.
            Err(DefaultAddressError::Make { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(choice.address())
}

/// Says the same to a server, and makes the socket's directory (mode 0700) unless an address was given.
///
/// # Errors
///
/// The variable is set and is not an address, or the directory cannot be made or is not ours alone.
pub fn prepare_default_address(environment: &Environment) -> Result<Address, DefaultAddressError> {
    let choice = choose(environment)?;
    if let Choice::Ours { directory } = &choice {
        prepare(directory, environment.uid)?;
    }
    Ok(choice.address())
}

/// Makes the last directory only: one that misses its parent was not meant to be here.
fn prepare(directory: &Path, uid: u32) -> Result<(), DefaultAddressError> {
    let failed = |source: Errno| DefaultAddressError::Make {
        directory: directory.to_owned(),
        source: source.into(),
    };
    match rustix::fs::mkdirat(CWD, directory, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    // Also when we made it: in /tmp somebody may have been quick.
    inspect(directory, uid)
}

/// Looks whether a directory is ours alone.
fn inspect(directory: &Path, uid: u32) -> Result<(), DefaultAddressError> {
    let failed = |source: Errno| DefaultAddressError::Make {
        directory: directory.to_owned(),
        source: source.into(),
    };
    let found = rustix::fs::statat(CWD, directory, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let mode = Mode::from_raw_mode(found.st_mode);
    let why = if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        DirectoryProblem::NotADirectory
    } else if found.st_uid != uid {
        DirectoryProblem::Owner(found.st_uid)
    } else if mode.intersects(Mode::RWXG | Mode::RWXO) {
        DirectoryProblem::Mode(mode.as_raw_mode())
    } else {
        return Ok(());
    };
    Err(DefaultAddressError::Unsafe {
        directory: directory.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    fn environment(uid: u32, address: Option<&str>, runtime: Option<&str>) -> Environment {
        Environment {
            uid,
            address: address.map(Into::into),
            runtime_directory: runtime.map(Into::into),
        }
    }

    #[test]
    fn the_place_depends_on_the_user_and_the_environment() {
        for (uid, address, runtime, expected) in [
            (0, None, None, "unix:///run/process-wrapper/control.sock"),
            (
                0,
                None,
                Some("/run/user/0"),
                "unix:///run/process-wrapper/control.sock",
            ),
            (
                5,
                None,
                Some("/run/user/5"),
                "unix:///run/user/5/process-wrapper/control.sock",
            ),
            (
                5,
                None,
                Some("run"),
                "unix:///tmp/process-wrapper-5/control.sock",
            ),
            (
                5,
                None,
                Some(""),
                "unix:///tmp/process-wrapper-5/control.sock",
            ),
            (5, None, None, "unix:///tmp/process-wrapper-5/control.sock"),
            (0, Some("tcp://localhost:1"), None, "tcp://localhost:1"),
            (5, Some("unix:a"), Some("/run/user/5"), "unix:a"),
        ] {
            let environment = environment(uid, address, runtime);
            assert_eq!(default_address(&environment).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_bad_variable_is_named() {
        for value in ["", "localhost:1"] {
            let error = default_address(&environment(0, Some(value), None)).unwrap_err();
            assert!(error.to_string().starts_with(VARIABLE), "{error}");
        }
        let mut garbled = environment(0, None, None);
        garbled.address = Some(OsString::from_vec(vec![b'u', 0xff]));
        let error = default_address(&garbled).unwrap_err();
        assert!(matches!(error, DefaultAddressError::NotText(_)), "{error}");
    }

    fn ours(runtime: &Path) -> Environment {
        // Not root, whose place is fixed; the directory's owner is checked against the real one below.
        environment(1, None, runtime.to_str())
    }

    #[test]
    fn a_client_does_not_look_for_us_in_the_directory_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let directory = folder.path().join("process-wrapper");
        let looked = |uid| default_address(&environment(uid, None, folder.path().to_str()));
        // Root's place is fixed.
        let not_root = if uid == 0 { 1 } else { uid };
        assert!(looked(not_root).is_ok(), "it is not there yet");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .unwrap();
        let error = looked(uid + 1).unwrap_err();
        assert!(
            matches!(error, DefaultAddressError::Unsafe { .. }),
            "{error}"
        );
    }

    fn doubt(directory: &Path, uid: u32) -> DirectoryProblem {
        let error = prepare(directory, uid).unwrap_err();
        let DefaultAddressError::Unsafe { why, .. } = error else {
            panic!("{error}");
        };
        why
    }

    #[test]
    fn a_client_makes_no_directory() {
        let root = tempfile::tempdir().unwrap();
        default_address(&ours(root.path())).unwrap();
        assert_eq!(root.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn the_directory_is_made_for_its_owner_only_and_used_again() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let directory = root.path().join("d");
        prepare(&directory, uid).unwrap();
        let mode = directory.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        prepare(&directory, uid).unwrap();
    }

    #[test]
    fn a_directory_that_others_could_use_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let made = root.path().join("made");
        let builder = || std::fs::DirBuilder::new();
        builder().mode(0o700).create(&made).unwrap();
        assert_eq!(doubt(&made, uid + 1), DirectoryProblem::Owner(uid));

        let link = root.path().join("link");
        symlink(&made, &link).unwrap();
        assert_eq!(doubt(&link, uid), DirectoryProblem::NotADirectory);

        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(doubt(&file, uid), DirectoryProblem::NotADirectory);

        for mode in [0o750, 0o701, 0o777] {
            std::fs::set_permissions(&made, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(doubt(&made, uid), DirectoryProblem::Mode(mode));
        }
    }

    #[test]
    fn where_none_can_be_made_the_way_out_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = ours(&root.path().join("missing"));
        let error = prepare_default_address(&missing).unwrap_err();
        assert!(error.to_string().contains("--listen"), "{error}");
        assert_eq!(root.path().read_dir().unwrap().count(), 0);
    }
}
