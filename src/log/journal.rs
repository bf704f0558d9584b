//! Whether stderr is systemd's journal, and the priority of a line there: sd-daemon(3).
//!
//! Owns the priorities. It writes no line.

use std::os::fd::AsFd;

use tracing::Level;

/// Whether the descriptor is the stream to the journal that systemd names in JOURNAL_STREAM: its
/// device and inode, in decimal (systemd.exec(5)). A stderr that was redirected since is another.
pub(super) fn is_journal(fd: impl AsFd, journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    rustix::fs::fstat(fd)
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// The prefix by which journald takes the line's priority, as `journalctl -p` selects by.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}
