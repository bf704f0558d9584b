//! Notices that a socket file has lost its path, and when its directory may be back.
//!
//! Owns the watches of `inotify(7)`. It creates no file. At rest it sleeps: it polls only for some
//! seconds after an event, because a mount over a directory is no event of it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_io::Async;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use smol::future::or;

use super::lock_file::FileId;
use crate::clock::Clock;

/// What may take the file away. Only its owner writes to the directory, so it is quiet at rest.
const LEAVES: WatchFlags = WatchFlags::DELETE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What may bring its directory back, or let us write to it.
const COMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// The pauses after an event: 9.5 s in all. logind makes the directory, then mounts a file system
/// over it.
const PAUSES: [u64; 8] = [50, 100, 200, 400, 800, 1600, 3200, 3200];

fn pauses() -> impl Iterator<Item = Duration> {
    PAUSES.into_iter().map(Duration::from_millis)
}

/// A socket file and the path at which clients look for it.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
}

impl Place {
    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to the file.
    fn holds(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok_and(|found| FileId::of(&found) == self.id)
    }
}

/// Completes once the path no longer leads to the file; never where `inotify(7)` is unavailable.
/// `settling`: the directory is new, so that another one may be mounted over it.
pub async fn lost<C: Clock>(place: &Place, settling: bool, clock: &C) {
    let directory = place.path.parent().unwrap_or(Path::new("/"));
    let mut pauses = pauses().filter(|_| settling);
    loop {
        // Watched before the look, so that no loss falls between them.
        let watch = DirectoryWatch::on(directory, LEAVES);
        if !place.holds() {
            return;
        }
        match watch {
            Ok(watch) => watch.event_or(pauses.next(), clock).await,
            Err(error) => {
                tracing::debug!(%error, "the directory of the socket is not watched");
                return std::future::pending().await;
            }
        }
    }
}

/// Attempts something in `directory`, and again after each change near it, until it succeeds.
pub async fn once_back<C: Clock, T>(
    directory: &Path,
    clock: &C,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let mut left = pauses();
    loop {
        // The nearest one that exists and may be read.
        let mut near = directory.ancestors();
        let watch = near.find_map(|directory| DirectoryWatch::on(directory, COMES).ok());
        if let Some(done) = attempt().await {
            return done;
        }
        match (watch, left.next()) {
            (Some(watch), Some(pause)) => watch.event_or(Some(pause), clock).await,
            (Some(watch), None) => {
                watch.event_or(None, clock).await;
                left = pauses();
            }
            (None, Some(pause)) => clock.sleep(pause).await,
            (None, None) => return std::future::pending().await,
        }
    }
}

struct DirectoryWatch(Async<OwnedFd>);

impl DirectoryWatch {
    fn on(directory: &Path, flags: WatchFlags) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&watch, directory, flags)?;
        Async::new_nonblocking(watch).map(Self)
    }

    /// Completes after an event, or after the pause.
    async fn event_or<C: Clock>(&self, pause: Option<Duration>, clock: &C) {
        let event = async {
            // An error is as good a reason to look as an event.
            let _ = self.0.readable().await;
        };
        match pause {
            Some(pause) => or(event, clock.sleep(pause)).await,
            None => event.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::clock::MonotonicClock;

    fn place(path: &Path) -> Place {
        let found = rustix::fs::lstat(path).unwrap();
        Place {
            path: path.to_owned(),
            id: FileId::of(&found),
        }
    }

    #[test]
    fn a_file_is_lost_with_its_directory_or_by_another_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        let path = directory.join("socket");
        type Loss = fn(&Path);
        let losses: [Loss; 4] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::remove_dir_all(path.parent().unwrap()).unwrap(),
            |path| std::fs::rename(path, path.with_extension("old")).unwrap(),
            |path| {
                std::fs::write(path.with_extension("new"), "").unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            },
        ];
        for lose in losses {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, "").unwrap();
            let place = place(&path);
            block_on(async {
                let mut lost = std::pin::pin!(lost(&place, false, &MonotonicClock));
                assert!(poll_once(&mut lost).await.is_none());
                lose(&path);
                lost.await;
            });
        }
    }

    #[test]
    fn an_attempt_is_repeated_once_the_directory_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("1000");
        let directory = parent.join("process-wrapper");
        let made = block_on(async {
            let attempt = async || std::fs::create_dir(&directory).ok();
            let mut back = std::pin::pin!(once_back(&directory, &MonotonicClock, attempt));
            assert!(poll_once(&mut back).await.is_none());
            std::fs::create_dir(&parent).unwrap();
            back.await;
            directory.exists()
        });
        assert!(made);
    }
}
