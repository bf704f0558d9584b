//! A descriptor that is written to without ever waiting.
//!
//! Owns the choice of how, by the kind of file. It never sets `O_NONBLOCK` on the descriptor it was
//! given: that flag belongs to the open file description, which the child shares.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use rustix::net::SendFlags;

use super::MAX_LINE;

/// The offset that means "at the current position" to pwritev2(2).
const CURRENT: u64 = u64::MAX;

/// How a write is kept from waiting.
#[derive(Debug)]
pub(super) enum WriteMethod {
    /// `RWF_NOWAIT` for this one write. Pipes know it since Linux 6.4; named ones do not.
    Nowait,
    /// `MSG_DONTWAIT` for this one write to a socket.
    DontWait,
    /// An open file description of our own for the same file, with `O_NONBLOCK`.
    Reopened(OwnedFd),
    /// Only while poll(2) says that there is room, with at most so many bytes at a time. The child
    /// may still take the room in between, so this is the last resort, and for regular files, which
    /// have no other method and never wait for a reader.
    Polled(usize),
}

/// A descriptor and the method to write to it.
#[derive(Debug)]
pub(super) struct Sink<Fd> {
    fd: Fd,
    method: WriteMethod,
}

impl<Fd: AsFd> Sink<Fd> {
    /// Looks at what `fd` is; a descriptor that cannot be looked at fails later, on each write.
    pub(super) fn new(fd: Fd) -> Self {
        let method = method(fd.as_fd());
        Self { fd, method }
    }

    /// Writes what can be written at once and says how many bytes that was. Every error counts as
    /// none: there is nobody left to tell.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut result = retry_on_intr(|| attempt(self.fd.as_fd(), &self.method, bytes));
        if matches!(self.method, WriteMethod::Nowait) && result.is_err_and(is_unsupported) {
            self.method = reopened(self.fd.as_fd());
            result = retry_on_intr(|| attempt(self.fd.as_fd(), &self.method, bytes));
        }
        result.unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn with_method(fd: Fd, method: WriteMethod) -> Self {
        Self { fd, method }
    }

    #[cfg(test)]
    pub(super) fn method(&self) -> &WriteMethod {
        &self.method
    }
}

fn method(fd: BorrowedFd<'_>) -> WriteMethod {
    let kind = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    match kind {
        Ok(FileType::Fifo) => WriteMethod::Nowait,
        Ok(FileType::Socket) => WriteMethod::DontWait,
        Ok(FileType::CharacterDevice) if rustix::termios::isatty(fd) => reopened(fd),
        Ok(
            FileType::CharacterDevice
            | FileType::RegularFile
            | FileType::Directory
            | FileType::Symlink
            | FileType::BlockDevice
            | FileType::Unknown,
        )
        | Err(_) => WriteMethod::Polled(MAX_LINE),
    }
}

/// Opens the file behind `fd` again. Without /proc, or as a user who may not open it, polling is
/// what is left.
pub(super) fn reopened(fd: BorrowedFd<'_>) -> WriteMethod {
    // Without O_NOCTTY a session leader would get the terminal as its controlling one.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(own) => WriteMethod::Reopened(own),
        // A terminal with any room at all polls as ready, and waits for the room that a line lacks.
        Err(_) if rustix::termios::isatty(fd) => WriteMethod::Polled(1),
        // A pipe that polls as ready takes a whole line.
        Err(_) => WriteMethod::Polled(MAX_LINE),
    }
}

fn attempt(fd: BorrowedFd<'_>, method: &WriteMethod, bytes: &[u8]) -> Result<usize, Errno> {
    match method {
        WriteMethod::Nowait => {
            let bytes = [IoSlice::new(bytes)];
            rustix::io::pwritev2(fd, &bytes, CURRENT, ReadWriteFlags::NOWAIT)
        }
        WriteMethod::DontWait => {
            rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        }
        WriteMethod::Reopened(own) => rustix::io::write(own, bytes),
        WriteMethod::Polled(most) => polled(fd, *most, bytes),
    }
}

/// Writes `most` bytes at a time for as long as there is room.
fn polled(fd: BorrowedFd<'_>, most: usize, bytes: &[u8]) -> Result<usize, Errno> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut written = 0;
    for piece in bytes.chunks(most) {
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
        if poll(&mut fds, Some(&now)).is_err() || !fds[0].revents().contains(PollFlags::OUT) {
            break;
        }
        match rustix::io::write(fd, piece) {
            Ok(count) => written += count,
            Err(error) if written == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(written)
}

/// The file or the kernel does not know `RWF_NOWAIT`, or a sandbox knows no pwritev2(2).
fn is_unsupported(error: Errno) -> bool {
    matches!(
        error,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM
    )
}
