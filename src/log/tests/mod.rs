//! Logging over real pipes, sockets and terminals. Owns what the tests share.

mod kept;
mod lines;
mod nonblocking;
mod process;

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::{Errno, ReadWriteFlags};
use rustix::pipe::PipeFlags;

/// Runs `work` and fails if it blocks.
fn promptly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        let result = work();
        // The receiver is gone only after the deadline, which has failed the test.
        let _ = sender.send(());
        result
    });
    match receiver.recv_timeout(Duration::from_secs(20)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("a write blocked"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => worker.join().unwrap(),
    }
}

/// A pipe whose ends the processes of other tests do not inherit: they would keep it open.
fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap()
}

/// Fills a pipe to the last byte.
fn fill_pipe(pipe: BorrowedFd<'_>) -> usize {
    let junk = [b'.'; 4096];
    let mut filled = 0;
    for size in [4096, 1] {
        loop {
            let bytes = [IoSlice::new(&junk[..size])];
            match rustix::io::pwritev2(pipe, &bytes, u64::MAX, ReadWriteFlags::NOWAIT) {
                Ok(count) => filled += count,
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    filled
}

/// Reads the available bytes.
fn read_available(fd: impl AsFd) -> String {
    rustix::io::ioctl_fionbio(fd.as_fd(), true).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        match rustix::io::read(fd.as_fd(), &mut buffer) {
            // EIO: the other side of the terminal is closed.
            Ok(0) | Err(Errno::AGAIN | Errno::IO) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(all).unwrap()
}
