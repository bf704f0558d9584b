//! Whether this kernel offers pidfds, without which no process can be signalled and awaited safely.
//!
//! Owns the probe. It never opens a pidfd of another process.

use std::io;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use crate::process::remedy::remedy;

/// Why pidfds cannot be used here.
#[derive(Debug, thiserror::Error)]
pub enum PidfdError {
    /// The kernel or a seccomp profile does not offer them.
    #[error(
        "{call} failed ({source}): process-wrapper needs pidfds, which Linux has since version 5.3 and which a seccomp \
         profile may forbid; this kernel is {kernel}; allow pidfd_open and pidfd_send_signal in the seccomp profile \
         or use a newer kernel"
    )]
    Refused {
        /// The system call.
        call: &'static str,
        /// The kernel's release, uname(2).
        kernel: String,
        /// The kernel's error.
        source: io::Error,
    },
    /// Descriptors or memory are short.
    #[error("pidfd_open failed: {0}{hint}", hint = remedy(.0))]
    Shortage(#[source] io::Error),
}

/// Opens a pidfd of our own process and signals through it.
///
/// To be called while all signals are blocked and before anything is spawned or listened on.
///
/// # Errors
/// ENOSYS on an old kernel or in gVisor, EPERM by seccomp; `pidfd_open(2)`, `pidfd_send_signal(2)`.
pub fn probe() -> Result<(), PidfdError> {
    let failed = |call| move |errno: Errno| refused(call, errno);
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(failed("pidfd_open"))?;
    // The safe API has no signal 0. The kernel discards URG, which we never handle.
    pidfd_send_signal(&own, Signal::URG).map_err(failed("pidfd_send_signal"))
}

fn refused(call: &'static str, errno: Errno) -> PidfdError {
    if matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM) {
        return PidfdError::Shortage(errno.into());
    }
    let uname = rustix::system::uname();
    PidfdError::Refused {
        call,
        kernel: uname.release().to_string_lossy().into_owned(),
        source: errno.into(),
    }
}
