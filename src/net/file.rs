//! Files that options name.
//!
//! Owns opening and reading one, with limits on its kind, its size and the time. It never parses
//! the contents, and never opens a device: an open can have an effect, and a read may never end.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Maximum size of a file, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The time limit for a pipe: a program that asks a person for a passphrase may write to it.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a pipe is accepted, for example that of a shell's process substitution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipes {
    /// For a file that is read again later.
    Refused,
    /// For a file that is read once.
    Accepted,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// `stat(2)`, `open(2)`, `poll(2)` or `read(2)` failed.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A directory, a device or a socket.
    #[error("it is a {0}; name a regular file")]
    Kind(&'static str),
    /// A pipe, for a file that is read again later.
    #[error("it is a pipe, which cannot be read again later; write it to a regular file")]
    Pipe,
    /// Nothing came through the pipe, or no end of it.
    #[error("it is a pipe, and no process has written to it and closed it within 10s")]
    PipeTimeout,
    /// Larger than [`MAX_BYTES`].
    #[error("it is larger than 1 MiB")]
    Size,
    /// In the default encoding of some Windows programs.
    #[error("its text is UTF-16; save it as UTF-8")]
    Utf16,
    /// Not UTF-8.
    #[error("its text is not UTF-8")]
    NotUtf8,
}

/// Reads a file of at most [`MAX_BYTES`], without a leading byte order mark. Blocks.
///
/// # Errors
///
/// [`FileError`]; a device was not opened.
pub fn read(path: &Path, pipes: Pipes) -> Result<Vec<u8>, FileError> {
    check(path.metadata()?.file_type(), pipes)?;
    // The name may lead to another file by now. NONBLOCK: opening a pipe would wait for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    check(kind, pipes)?;
    let mut contents = Vec::new();
    if kind.is_fifo() {
        read_pipe(&mut file, &mut contents)?;
    } else {
        file.take(MAX_BYTES + 1).read_to_end(&mut contents)?;
    }
    if contents.len() as u64 > MAX_BYTES {
        return Err(FileError::Size);
    }
    match contents.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(FileError::Utf16),
        [0xef, 0xbb, 0xbf, ..] => Ok(contents.split_off(3)),
        _ => Ok(contents),
    }
}

/// Reads a file that is read once as UTF-8.
///
/// # Errors
///
/// [`FileError`].
pub fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path, Pipes::Accepted)?).map_err(|_| FileError::NotUtf8)
}

fn check(kind: FileType, pipes: Pipes) -> Result<(), FileError> {
    match pipes {
        _ if kind.is_file() => Ok(()),
        Pipes::Accepted if kind.is_fifo() => Ok(()),
        Pipes::Refused if kind.is_fifo() => Err(FileError::Pipe),
        _ if kind.is_dir() => Err(FileError::Kind("directory")),
        _ if kind.is_socket() => Err(FileError::Kind("socket")),
        Pipes::Accepted | Pipes::Refused => Err(FileError::Kind("device")),
    }
}

/// Reads until the last writer closes the pipe, or the contents are too large.
fn read_pipe(pipe: &mut File, contents: &mut Vec<u8>) -> Result<(), FileError> {
    let start = Instant::now();
    let mut buffer = [0; 4096];
    while contents.len() as u64 <= MAX_BYTES {
        let left = PIPE_TIMEOUT.saturating_sub(start.elapsed());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        // A pipe without a writer is not ready, but a read would take that for its end.
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(FileError::PipeTimeout),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(io::Error::from(error).into()),
        }
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => contents.extend(buffer.iter().take(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What the mode of a file allows to users other than its owner and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldAccess {
    /// Every user may read it.
    pub read: bool,
    /// Every user may change it.
    pub write: bool,
}

/// The access of every user to a file; none if `stat(2)` fails or it is a pipe.
pub fn world_access(path: &Path) -> WorldAccess {
    let found = path.metadata().ok();
    let mode = found
        .filter(|found| found.is_file())
        .map_or(0, |found| found.mode());
    WorldAccess {
        read: mode & 0o004 != 0,
        write: mode & 0o002 != 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_removed_and_utf_16_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"\xef\xbb\xbftext").unwrap();
        assert_eq!(read(&path, Pipes::Refused).unwrap(), b"text");
        for text in [&b"\xff\xfet\0"[..], b"\xfe\xff\0t"] {
            std::fs::write(&path, text).unwrap();
            let error = read_text(&path).unwrap_err();
            assert!(matches!(error, FileError::Utf16), "{error}");
        }
        std::fs::write(&path, b"t\xff").unwrap();
        assert!(matches!(read_text(&path), Err(FileError::NotUtf8)));
    }

    #[test]
    fn a_file_of_the_maximum_size_is_read_and_a_larger_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'a'; 1024 * 1024]).unwrap();
        assert_eq!(read(&path, Pipes::Refused).unwrap().len(), 1024 * 1024);
        std::fs::write(&path, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(read(&path, Pipes::Refused), Err(FileError::Size)));
    }

    #[test]
    fn a_pipe_is_read_to_its_end_within_the_limits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(matches!(read(&path, Pipes::Refused), Err(FileError::Pipe)));
        let write = |text: Vec<u8>| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                // Fails once the reader has seen enough.
                let _ = pipe.write_all(&text);
            })
        };
        let writer = write(vec![b'a'; 100_000]);
        assert_eq!(read_text(&path).unwrap().len(), 100_000);
        writer.join().unwrap();
        let writer = write(vec![b'a'; 2 * 1024 * 1024]);
        assert!(matches!(read_text(&path), Err(FileError::Size)));
        writer.join().unwrap();
    }
}
