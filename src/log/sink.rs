//! Writes to a descriptor that never block.
//!
//! Owns the choice of the method by file type. It never sets `O_NONBLOCK` on the given descriptor:
//! the flag belongs to the open file description, which the child shares.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use rustix::net::SendFlags;

use super::MAX_LINE;
use crate::process::signals::without_ttou;

/// The offset of `pwritev2(2)` for the current position.
const CURRENT: u64 = u64::MAX;

/// The method that keeps a write from blocking.
#[derive(Debug)]
pub(super) enum WriteMethod {
    /// `RWF_NOWAIT` on the write. Unnamed pipes support it since Linux 6.4.
    Nowait,
    /// `MSG_DONTWAIT` on the write to a socket.
    DontWait,
    /// A new open file description of the same file, with `O_NONBLOCK`.
    Reopened(OwnedFd),
    /// Chunks of at most this many bytes while `poll(2)` reports room. The child may take the room
    /// in between, so this is the last resort. It suits regular files, which never wait for a
    /// reader.
    Polled(usize),
}

/// A descriptor and its write method.
#[derive(Debug)]
pub(super) struct Sink<Fd> {
    fd: Fd,
    method: WriteMethod,
    /// With `stty tostop` a terminal stops the writers in the background.
    terminal: bool,
}

impl<Fd: AsFd> Sink<Fd> {
    /// Chooses the method by the type of `fd`; an invalid descriptor fails on each write.
    pub(super) fn new(fd: Fd) -> Self {
        let method = method(fd.as_fd());
        let terminal = rustix::termios::isatty(&fd);
        Self {
            fd,
            method,
            terminal,
        }
    }

    /// Writes without blocking and returns the number of bytes. An error counts as 0, as it cannot
    /// be reported.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.terminal {
            return without_ttou(|| self.try_write(bytes));
        }
        self.try_write(bytes)
    }

    fn try_write(&mut self, bytes: &[u8]) -> usize {
        let mut result = retry_on_intr(|| attempt(self.fd.as_fd(), &self.method, bytes));
        if matches!(self.method, WriteMethod::Nowait) && result.is_err_and(is_unsupported) {
            self.method = reopened(self.fd.as_fd());
            result = retry_on_intr(|| attempt(self.fd.as_fd(), &self.method, bytes));
        }
        result.unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn with_method(fd: Fd, method: WriteMethod) -> Self {
        Self {
            fd,
            method,
            terminal: false,
        }
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

/// Reopens the file behind `fd`. Falls back to polling without `/proc` or without permission.
pub(super) fn reopened(fd: BorrowedFd<'_>) -> WriteMethod {
    // Without O_NOCTTY a session leader would acquire the terminal as its controlling one.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(own) => WriteMethod::Reopened(own),
        // A terminal with room for one byte polls as ready, and a longer write blocks.
        Err(_) if rustix::termios::isatty(fd) => WriteMethod::Polled(1),
        // A pipe that polls as ready has room for a whole line.
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
        WriteMethod::Polled(max) => polled(fd, *max, bytes),
    }
}

/// Writes chunks of `max` bytes while there is room.
fn polled(fd: BorrowedFd<'_>, max: usize, bytes: &[u8]) -> Result<usize, Errno> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut written = 0;
    for piece in bytes.chunks(max) {
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

/// Whether the file, the kernel or a sandbox lacks `RWF_NOWAIT` or `pwritev2(2)`.
fn is_unsupported(error: Errno) -> bool {
    matches!(
        error,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM
    )
}
