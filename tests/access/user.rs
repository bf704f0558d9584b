//! Runs code as another user.

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::support::peers::missing;

/// A user unrelated to the wrapper, such as that of a CI job.
pub(crate) const JOB: (u32, u32) = (4711, 4711);

/// Whether this test can act as other users; if not, it prints a SKIPPED line.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        missing("root");
    }
    root
}

/// Runs `work` in a thread that is this user and in this group only. On Linux these belong to a
/// thread; processes that it starts inherit them.
pub(crate) fn as_user<T: Send>((uid, gid): (u32, u32), work: impl FnOnce() -> T + Send) -> T {
    let run = move || {
        set_thread_groups(&[]).unwrap();
        set_thread_gid(Gid::from_raw(gid)).unwrap();
        set_thread_uid(Uid::from_raw(uid)).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}
