//! Faults of a wrapper's stderr: read, read with pauses, never read, or closed by its reader.

use std::io::{self, Read};
use std::process::ChildStderr;
use std::time::Duration;

use crate::support::{Lines, Setup, Wrapper};

/// The least that a pipe holds.
const LITTLE_ROOM: usize = 4096;

/// Starts a wrapper. The reading end that comes with it is held so that it is not closed.
pub(crate) fn start(setup: Setup, rng: &mut fastrand::Rng) -> (Wrapper, Option<ChildStderr>) {
    match rng.u8(..6) {
        // No thread reads it.
        0 => {
            let (wrapper, stderr) = setup.start_unread();
            rustix::pipe::fcntl_setpipe_size(&stderr, LITTLE_ROOM).unwrap();
            (wrapper, Some(stderr))
        }
        // Its reader is closed.
        1 => (setup.start_unread().0, None),
        // Its reader stalls, then resumes.
        2 => {
            let (mut wrapper, stderr) = setup.start_unread();
            rustix::pipe::fcntl_setpipe_size(&stderr, LITTLE_ROOM).unwrap();
            let rng = fastrand::Rng::with_seed(rng.u64(..));
            wrapper.stderr = Lines::read(Stalling { stderr, rng });
            (wrapper, None)
        }
        _ => (setup.start(), None),
    }
}

struct Stalling {
    stderr: ChildStderr,
    rng: fastrand::Rng,
}

impl Read for Stalling {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.bool() {
            std::thread::sleep(Duration::from_millis(self.rng.u64(..200)));
        }
        self.stderr.read(buffer)
    }
}
