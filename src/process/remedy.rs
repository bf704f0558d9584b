//! The likely cause of a refused system call, and what to do about it.
//!
//! Owns these words alone. It never decides whether a failure is final.

use std::io;

use rustix::io::Errno;

/// What to do, as `; raise …`; empty where the error's own text says enough.
pub fn remedy(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "; raise the limit on open files (ulimit -n)",
        Some(Errno::NFILE) => "; raise the machine's limit on open files (fs.file-max)",
        Some(Errno::NOMEM | Errno::NOBUFS) => "; free memory or raise the cgroup's limit",
        Some(Errno::NOSPC) => "; free space, or raise fs.epoll.max_user_watches",
        Some(Errno::IO) => "; the storage failed, see the kernel's log",
        Some(Errno::PERM | Errno::NOSYS) => {
            "; a seccomp profile may forbid the system call: allow it"
        }
        Some(_) | None => "",
    }
}

/// The same for a refused thread or process, clone(2).
pub fn remedy_of_clone(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => "; raise the limit on processes (ulimit -u, pids.max)",
        // glibc falls back to clone on ENOSYS alone.
        Some(Errno::PERM) => {
            "; a seccomp profile forbids clone3: update the container runtime, or let the profile \
             answer ENOSYS"
        }
        Some(_) | None => remedy(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shortage_names_its_own_limit() {
        let of = |errno: Errno| remedy(&errno.into());
        assert!(of(Errno::MFILE).contains("ulimit -n"));
        assert!(of(Errno::NFILE).contains("fs.file-max"));
        assert_eq!(of(Errno::AGAIN), "", "not always a process");
        assert!(!of(Errno::PERM).contains("clone3"), "not always a process");
        assert!(remedy_of_clone(&Errno::AGAIN.into()).contains("pids.max"));
        assert!(remedy_of_clone(&Errno::PERM.into()).contains("seccomp"));
        assert!(remedy_of_clone(&Errno::NOMEM.into()).contains("memory"));
    }
}
