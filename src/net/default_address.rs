//! The address of the control API when the command line names none.
//!
//! Owns the choice and the creation of the default socket's directory. It creates no directory for
//! an address that was given, and never changes the mode or owner of one.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::directory::{self, UnsafeDirectory};
use crate::address::{Address, InvalidAddress};

/// Where root's socket is, and often that of a service of another user.
const RUN: &str = "/run/process-wrapper";

/// The directory of the socket below one of the user or the service.
const NAME: &str = "process-wrapper";

/// The socket's name.
const SOCKET: &str = "control.sock";

/// The variable that overrides the default, for the server and its clients.
pub const VARIABLE: &str = "PROCESS_WRAPPER_ADDRESS";

/// The inputs of the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The effective user.
    pub uid: u32,
    /// `PROCESS_WRAPPER_ADDRESS`.
    pub address: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_directory: Option<OsString>,
    /// `RUNTIME_DIRECTORY` or `STATE_DIRECTORY`, which systemd sets for a service that has them,
    /// `systemd.exec(5)`. Several are separated by colons.
    pub service_directories: Option<OsString>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_this_process() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            address: env::var_os(VARIABLE),
            runtime_directory: env::var_os("XDG_RUNTIME_DIR"),
            service_directories: env::var_os("RUNTIME_DIRECTORY")
                .or_else(|| env::var_os("STATE_DIRECTORY")),
        }
    }

    fn explicit_address(&self) -> Result<Option<Address>, DefaultAddressError> {
        let Some(value) = &self.address else {
            return Ok(None);
        };
        let not_utf8 = || DefaultAddressError::NotUtf8(value.clone());
        let text = value.to_str().ok_or_else(not_utf8)?;
        let lines = text.lines().filter(|line| !line.is_empty());
        match lines.count() {
            0 | 1 => Ok(Some(text.trim_end_matches('\n').parse()?)),
            several => Err(DefaultAddressError::Several(several)),
        }
    }

    fn socket_directory(&self) -> PathBuf {
        if self.uid == 0 {
            return PathBuf::from(RUN);
        }
        // The XDG base directory specification: a relative path is ignored.
        let user = self.runtime_directory.as_deref().map(Path::new);
        // A directory of the service comes before /tmp, where another user may take the name.
        let service = self.service_directories.as_deref();
        let service = service.and_then(|list| list.as_bytes().split(|byte| *byte == b':').next());
        let service = service.map(|path| Path::new(OsStr::from_bytes(path)));
        let mut parents = [user, service].into_iter().flatten();
        match parents.find(|path| path.is_absolute()) {
            Some(path) => path.join(NAME),
            None => PathBuf::from(format!("/tmp/{NAME}-{}", self.uid)),
        }
    }
}

/// How to get another address.
const ELSEWHERE: &str = "choose another address with --listen (for a client: --address), or set \
    XDG_RUNTIME_DIR to a private directory (a systemd service: RuntimeDirectory=process-wrapper)";

/// Why there is no default address.
#[derive(Debug, thiserror::Error)]
pub enum DefaultAddressError {
    /// The variable holds no address.
    #[error("{VARIABLE}: {0}")]
    Variable(#[from] InvalidAddress),
    /// The variable has several lines, which only the client commands read.
    #[error("{VARIABLE} has {0} addresses; write one address")]
    Several(usize),
    /// The variable is not UTF-8.
    #[error("{VARIABLE}: {0:?} is not valid UTF-8; write for example unix:///run/control.sock")]
    NotUtf8(OsString),
    /// The directory cannot be created.
    #[error("cannot create {directory:?} for the control socket: {source}; {ELSEWHERE}")]
    Create {
        /// The directory.
        directory: PathBuf,
        /// The error of `mkdir(2)` or `lstat(2)`.
        source: io::Error,
    },
    /// Other users may enter the directory or replace its entries. In /tmp any user can take its
    /// name.
    #[error("{0}; correct that, as root if it is not your own, or {ELSEWHERE}")]
    Unsafe(#[from] UnsafeDirectory),
}

/// Returns the default address: `PROCESS_WRAPPER_ADDRESS`, else `control.sock` in
/// `/run/process-wrapper` (root), or below `$XDG_RUNTIME_DIR`, `$RUNTIME_DIRECTORY`,
/// `$STATE_DIRECTORY` or `/tmp`.
///
/// # Errors
///
/// The variable is set and is not an address, or the directory exists and is not private to this
/// user: the socket in it may be another user's, which would receive our calls. Root may call the
/// wrapper of any user to which it gave `/run/process-wrapper`.
pub fn default_address(environment: &Environment) -> Result<Address, DefaultAddressError> {
    if let Some(address) = environment.explicit_address()? {
        return Ok(address);
    }
    let directory = environment.socket_directory();
    if environment.uid == 0 {
        return root_address(&directory);
    }
    // Connecting gives a better error where the directory is missing.
    if let Ok(Err(error)) = directory::check_private(&directory, environment.uid) {
        return Err(error.into());
    }
    Ok(control_socket(&directory))
}

/// Returns the first socket in `directory`, or in the one that a service with
/// `RuntimeDirectory=process-wrapper` creates below it.
fn root_address(directory: &Path) -> Result<Address, DefaultAddressError> {
    for directory in [directory, &directory.join(NAME)] {
        let socket = directory.join(SOCKET);
        // Connecting gives a better error where the socket is missing.
        if let Ok(checked) = directory::check_of_any_user(&socket) {
            checked?;
            return Ok(Address::Unix(socket));
        }
    }
    Ok(control_socket(directory))
}

/// The sockets at which a wrapper listens by default in another environment than this one, if
/// `address` is the default of this one.
pub fn other_places(environment: &Environment, address: &Address) -> Vec<PathBuf> {
    let here = control_socket(&environment.socket_directory());
    if *address != here {
        return Vec::new();
    }
    // Root looks for another user's.
    let user = match environment.uid {
        0 => "UID".to_owned(),
        uid => uid.to_string(),
    };
    let directories = [
        PathBuf::from(format!("/run/user/{user}/{NAME}")),
        PathBuf::from(format!("/tmp/{NAME}-{user}")),
        Path::new(RUN).join(NAME),
    ];
    let mut places = directories.map(|directory| directory.join(SOCKET)).to_vec();
    places.retain(|place| Address::Unix(place.clone()) != here);
    places
}

/// Returns the same address for a server, and creates the socket's directory (mode 0700) unless the
/// variable gives an address.
///
/// # Errors
///
/// The variable is set and is not an address, or the directory cannot be created or is not private
/// to this user.
pub fn prepare_default_address(environment: &Environment) -> Result<Address, DefaultAddressError> {
    if let Some(address) = environment.explicit_address()? {
        return Ok(address);
    }
    let directory = environment.socket_directory();
    prepare(&directory, environment.uid)?;
    Ok(control_socket(&directory))
}

fn control_socket(directory: &Path) -> Address {
    Address::Unix(directory.join(SOCKET))
}

/// Creates the last directory only: a missing parent shows that the default does not suit this
/// machine.
fn prepare(directory: &Path, uid: u32) -> Result<(), DefaultAddressError> {
    let failed = |source| DefaultAddressError::Create {
        directory: directory.to_owned(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    // Also after creating it: in /tmp another user may have replaced it since.
    Ok(directory::check_private(directory, uid).map_err(failed)??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use crate::access::PathRisk;

    fn environment(uid: u32, address: Option<&str>, runtime: Option<&str>) -> Environment {
        Environment {
            uid,
            address: address.map(Into::into),
            runtime_directory: runtime.map(Into::into),
            service_directories: None,
        }
    }

    #[test]
    fn a_directory_of_the_service_comes_before_tmp() {
        for (runtime, service, expected) in [
            (None, "/run/a", "/run/a/process-wrapper"),
            (None, "/run/a:/run/b", "/run/a/process-wrapper"),
            (Some("run"), "/run/a", "/run/a/process-wrapper"),
            (Some("/run/user/5"), "/run/a", "/run/user/5/process-wrapper"),
            (None, "", "/tmp/process-wrapper-5"),
            (None, "run", "/tmp/process-wrapper-5"),
        ] {
            let mut environment = environment(5, None, runtime);
            environment.service_directories = Some(service.into());
            assert_eq!(environment.socket_directory(), Path::new(expected));
            environment.uid = 0;
            let root = Path::new("/run/process-wrapper");
            assert_eq!(environment.socket_directory(), root);
        }
    }

    #[test]
    fn the_default_depends_on_the_user_and_the_environment() {
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
        assert!(matches!(error, DefaultAddressError::NotUtf8(_)), "{error}");
    }

    #[test]
    fn root_finds_the_socket_of_any_user_and_follows_no_link() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        let nested = top.join(NAME);
        DirBuilder::new().mode(0o755).create(&top).unwrap();
        let none = root_address(&top).unwrap();
        assert_eq!(none, control_socket(&top), "a missing socket is no error");
        DirBuilder::new().mode(0o700).create(&nested).unwrap();
        let _listener = UnixListener::bind(nested.join(SOCKET)).unwrap();
        assert_eq!(root_address(&top).unwrap(), control_socket(&nested));
        std::fs::set_permissions(&nested, PermissionsExt::from_mode(0o770)).unwrap();
        let error = root_address(&top).unwrap_err();
        assert!(error.to_string().contains("writable by other"), "{error}");
        // The first place comes first, also if it is bad.
        symlink(nested.join(SOCKET), top.join(SOCKET)).unwrap();
        let error = root_address(&top).unwrap_err();
        assert!(error.to_string().contains("not a socket"), "{error}");
        // Any user may have taken the name.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&top, Some(4711), None).unwrap();
        }
        let error = root_address(&top).unwrap_err();
        assert!(error.to_string().contains("belongs to user"), "{error}");
    }

    #[test]
    fn a_client_names_the_other_default_places() {
        let texts = |environment: &Environment| {
            let address = default_address(environment).unwrap();
            let places = other_places(environment, &address);
            places
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let login = environment(5, None, Some("/run/user/5"));
        assert_eq!(
            texts(&login),
            "/tmp/process-wrapper-5/control.sock \
             /run/process-wrapper/process-wrapper/control.sock"
        );
        let service = environment(5, None, None);
        assert!(texts(&service).starts_with("/run/user/5/process-wrapper/control.sock "));
        assert!(texts(&environment(0, None, None)).contains("/tmp/process-wrapper-UID/"));
        assert_eq!(texts(&environment(5, Some("unix:/a"), None)), "");
    }

    fn below(runtime: &Path) -> Environment {
        // Root's directory is fixed, so any other user will do.
        environment(1, None, runtime.to_str())
    }

    #[test]
    fn a_client_refuses_the_directory_of_another_user() {
        let folder = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let directory = folder.path().join("process-wrapper");
        let address = |uid| default_address(&environment(uid, None, folder.path().to_str()));
        // Root's directory is fixed.
        let not_root = if uid == 0 { 1 } else { uid };
        assert!(address(not_root).is_ok(), "a missing directory is no error");
        DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let error = address(uid + 1).unwrap_err();
        assert!(matches!(error, DefaultAddressError::Unsafe(_)), "{error}");
    }

    fn risk(directory: &Path, uid: u32) -> PathRisk {
        let error = prepare(directory, uid).unwrap_err();
        let DefaultAddressError::Unsafe(UnsafeDirectory { why, .. }) = error else {
            panic!("{error}");
        };
        why
    }

    #[test]
    fn a_client_creates_no_directory() {
        let root = tempfile::tempdir().unwrap();
        default_address(&below(root.path())).unwrap();
        assert_eq!(root.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn the_directory_is_created_private_and_reused() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let directory = root.path().join("d");
        prepare(&directory, uid).unwrap();
        let mode = directory.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        prepare(&directory, uid).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_private_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let made = root.path().join("made");
        let builder = || DirBuilder::new();
        builder().mode(0o700).create(&made).unwrap();
        assert_eq!(risk(&made, uid + 1), PathRisk::Owner(uid));

        let link = root.path().join("link");
        symlink(&made, &link).unwrap();
        assert_eq!(risk(&link, uid), PathRisk::NotADirectory);

        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(risk(&file, uid), PathRisk::NotADirectory);

        for mode in [0o750, 0o701, 0o777] {
            std::fs::set_permissions(&made, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(risk(&made, uid), PathRisk::NotPrivate(mode));
        }
    }

    #[test]
    fn a_directory_that_cannot_be_created_names_listen() {
        let root = tempfile::tempdir().unwrap();
        let missing = below(&root.path().join("missing"));
        let error = prepare_default_address(&missing).unwrap_err();
        assert!(error.to_string().contains("--listen"), "{error}");
        assert_eq!(root.path().read_dir().unwrap().count(), 0);
    }
}
