//! A program to execute, and the file that execvp(3) would execute for its name.
//!
//! Owns the search along PATH, and which file is a script for `/bin/sh`. It never executes a file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Executes a script without a `#!` line.
pub(super) const SHELL: &str = "/bin/sh";

/// The search path without PATH, as in the C library's execvp(3).
const DEFAULT_PATH: &str = if cfg!(target_env = "musl") {
    "/usr/local/bin:/bin:/usr/bin"
} else {
    "/bin:/usr/bin"
};

/// Bytes at the beginning of a file that tell a script from a binary.
const SAMPLE: usize = 256;

/// A program with its arguments, which may be any bytes but NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A path, or a name that is looked up on PATH.
    pub name: OsString,
    /// Its arguments, passed on unchanged.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// The shell that executes this script without a `#!` line, with the arguments of execvp(3).
    pub(super) fn by_shell(&self) -> Option<Self> {
        let script = find_script(&self.name)?.into_os_string();
        Some(Self {
            name: SHELL.into(),
            arguments: std::iter::once(script)
                .chain(self.arguments.iter().cloned())
                .collect(),
        })
    }
}

/// The candidate files for a program, in the order of execvp(3).
pub(super) fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .map(|folder| folder.join(name).into_os_string())
        .collect()
}

/// The first candidate that exists.
pub(super) fn find(name: &OsStr) -> Option<PathBuf> {
    existing(name).next()
}

/// The file that the kernel refuses with ENOEXEC and `/bin/sh` can execute: the first candidate
/// with execute permission, if it is a script.
pub(super) fn find_script(name: &OsStr) -> Option<PathBuf> {
    existing(name)
        .find(|file| file.is_file() && is_executable(file))
        .filter(|file| is_script(file))
}

fn existing(name: &OsStr) -> impl Iterator<Item = PathBuf> {
    candidates(name, std::env::var_os("PATH").as_deref())
        .into_iter()
        .map(PathBuf::from)
        .filter(|file| file.exists())
}

/// Whether access(2) allows the execution; false on a file system without it (noexec).
pub(super) fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether a file is text, so that `/bin/sh` gets it. execvp(3) hands every file to the shell, also
/// a binary of another machine, whose bytes the shell would then execute as commands.
pub(super) fn is_script(file: &Path) -> bool {
    let mut sample = Vec::with_capacity(SAMPLE);
    match File::open(file).and_then(|file| file.take(SAMPLE as u64).read_to_end(&mut sample)) {
        Ok(_) => is_text(&sample),
        // The shell says why it cannot read the file.
        Err(_) => true,
    }
}

fn is_text(sample: &[u8]) -> bool {
    let line = sample.split(|byte| *byte == b'\n').next();
    !sample.starts_with(b"\x7fELF") && !line.is_some_and(|line| line.contains(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, path: Option<&str>) -> Vec<OsString> {
        candidates(OsStr::new(name), path.map(OsStr::new))
    }

    #[test]
    fn a_name_is_looked_up_on_path_and_a_path_is_not() {
        assert_eq!(found("sh", Some("/a:/b")), ["/a/sh", "/b/sh"]);
        assert_eq!(found("./sh", Some("/a:/b")), ["./sh"]);
        assert_eq!(
            found("sh", Some("")),
            ["sh"],
            "an empty entry is the current directory"
        );
        assert!(found("sh", None).ends_with(&["/bin/sh".into(), "/usr/bin/sh".into()]));
        assert_eq!(found("", Some("/a")), [""; 0]);
    }

    #[test]
    fn a_binary_is_no_script() {
        assert!(is_text(b""));
        assert!(is_text(b"echo one\n\0"));
        assert!(!is_text(b"\x7fELF\n"));
        assert!(!is_text(b"MZ\0\0\n"));
    }
}
