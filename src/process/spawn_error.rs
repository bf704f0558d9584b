//! Why a process could not be started.
//!
//! Owns the classification of the kernel's error and its words. It looks at the file only after a
//! failure, and never starts a process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use crate::process::program::{self, Program};
use crate::process::remedy::{remedy, remedy_of_clone};

/// A process could not be started; none is left running.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program does not exist.
    #[error("{program:?} was not found; {}", how_to_name(program))]
    NotFound {
        /// The program as given.
        program: OsString,
    },
    /// The program exists, but the kernel does not execute it.
    #[error("{program:?} cannot be executed: {source}{hint}")]
    NotExecutable {
        /// The program as given.
        program: OsString,
        /// Likely cause or remedy; starts with `; ` or is empty.
        hint: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
    /// Processes, memory or descriptors were short before the fork. No process was started.
    #[error(
        "{program:?} could not be started: {source}{}; nothing was run",
        remedy_of_clone(source)
    )]
    BeforeFork {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        source: io::Error,
    },
    /// A step after the fork failed; the process was killed and reaped.
    #[error(
        "{program:?} could not be started: {source}{}; nothing is left running",
        remedy(source)
    )]
    AfterFork {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        source: io::Error,
    },
}

fn how_to_name(program: &OsStr) -> &'static str {
    match program.to_str() {
        Some("") => "name a program; is a variable unset?",
        Some(name) if name.trim().contains(' ') => {
            "a program and its arguments are separate words: leave out the quotation marks, or \
             start `sh -c '…'`"
        }
        Some(_) | None => "give a path, or a name that is on PATH",
    }
}

impl SpawnError {
    /// The exit status that a shell uses: 127, 126 or 1.
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::BeforeFork { .. } | Self::AfterFork { .. } => 1,
        }
    }

    /// Whether a retry may succeed and cannot run the program twice.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::BeforeFork { .. } => true,
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::AfterFork { .. } => false,
        }
    }
    /// Whether the kernel knows no interpreter for the file, so that `/bin/sh` may be one.
    pub(super) fn is_no_exec(&self) -> bool {
        match self {
            Self::NotExecutable { source, .. } => {
                Errno::from_io_error(source) == Some(Errno::NOEXEC)
            }
            Self::NotFound { .. } | Self::BeforeFork { .. } | Self::AfterFork { .. } => false,
        }
    }

    pub(super) fn before_fork(program: &Program, source: io::Error) -> Self {
        Self::BeforeFork {
            program: program.name.clone(),
            source,
        }
    }

    pub(super) fn after_fork(program: &Program, source: io::Error) -> Self {
        Self::AfterFork {
            program: program.name.clone(),
            source,
        }
    }

    /// Classifies an error of fork or exec.
    pub(super) fn of_exec(program: &Program, source: io::Error) -> Self {
        let name = &program.name;
        let hint = match Errno::from_io_error(&source) {
            Some(Errno::NOENT) if program::find(name).is_none() => {
                return Self::NotFound {
                    program: name.clone(),
                };
            }
            Some(Errno::NOENT) => {
                "; its interpreter (the #! line or the dynamic loader) does not exist"
            }
            Some(Errno::NOEXEC) => no_exec_hint(name),
            Some(Errno::ACCESS) => denied_hint(name),
            Some(Errno::PERM) => REFUSED_BY_POLICY,
            Some(Errno::TOOBIG) => "; its arguments and environment exceed the kernel's limit",
            Some(Errno::TXTBSY) => "; another process has the file open for writing",
            // The fork failed: process limit or memory.
            Some(Errno::AGAIN | Errno::NOMEM) => return Self::before_fork(program, source),
            // These arise only after the fork.
            Some(Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::CHILD | Errno::PIPE) => {
                return Self::after_fork(program, source);
            }
            Some(_) => "",
            None => {
                if source.kind() == io::ErrorKind::InvalidInput {
                    "; a name or argument holds a NUL byte"
                } else {
                    return Self::after_fork(program, source);
                }
            }
        };
        Self::NotExecutable {
            program: name.clone(),
            hint,
            source,
        }
    }
}

/// The file itself allows the execution. setpgid(2) precedes the exec, and only a seccomp profile
/// refuses it there.
const REFUSED_BY_POLICY: &str = "; the file's mode allows it, so a security module (AppArmor, SELinux) or a seccomp profile \
     forbids execve or setpgid: allow them";

fn no_exec_hint(name: &OsStr) -> &'static str {
    if program::find_script(name).is_some() {
        "; it has no #! line, and /bin/sh, which executes such a script, cannot be executed"
    } else {
        "; it is neither a program of this machine nor a script"
    }
}

/// Why EACCES: execve(2) has one number for each of these.
fn denied_hint(name: &OsStr) -> &'static str {
    let Some(file) = program::find(name) else {
        return "; this user may not search a directory on its path";
    };
    if !file.is_file() {
        "; it is a directory or a device; name a program"
    } else if has_noexec(&file) {
        "; its file system is mounted with noexec; move it or remount"
    } else if !program::is_executable(&file) {
        "; its mode forbids it (chmod +x)"
    } else {
        REFUSED_BY_POLICY
    }
}

fn has_noexec(file: &Path) -> bool {
    rustix::fs::statvfs(file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, errno: Errno) -> SpawnError {
        let program = Program {
            name: name.into(),
            arguments: Vec::new(),
        };
        SpawnError::of_exec(&program, errno.into())
    }

    #[test]
    fn eacces_names_its_own_cause() {
        for (name, cause) in [
            ("/", "a directory"),
            ("/etc/passwd", "chmod +x"),
            // It exists and may be executed, so setpgid or a security module refused.
            ("/bin/sh", "setpgid"),
            ("/no/such", "search a directory"),
        ] {
            let error = of(name, Errno::ACCESS);
            assert!(error.to_string().contains(cause), "{error}");
            assert_eq!(error.status(), 126);
        }
    }

    #[test]
    fn a_refused_process_names_the_limit_and_no_refused_file_does() {
        let error = of("/bin/sh", Errno::AGAIN);
        assert!(error.to_string().contains("pids.max"), "{error}");
        assert_eq!(error.status(), 1);
        let error = of("/bin/sh", Errno::PERM);
        assert!(error.to_string().contains("seccomp"), "{error}");
    }
}
