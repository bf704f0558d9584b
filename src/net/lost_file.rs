//! Notices that a socket file has lost its path, and when its directory may be back.
//!
//! Owns the watches of `inotify(7)`. It creates no file. At rest it sleeps: it polls only for some
//! seconds after an event, because a mount over a directory is no event of it. Without a watch it
//! polls once a minute.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_io::Async;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use smol::future::or;

use super::lock_file::FileId;
use super::socket_file::names_beside;
use crate::clock::Clock;
use crate::process::remedy::remedy;

/// What may take the file away. Only its owner writes to the directory, so it is quiet at rest.
const LEAVES: WatchFlags = WatchFlags::DELETE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What may bring its directory back, let us write to it, or make way for the file.
const COMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// The pauses after an event: 9.5 s in all. logind makes the directory, then mounts a file system
/// over it.
const PAUSES: [u64; 8] = [50, 100, 200, 400, 800, 1600, 3200, 3200];

/// The pause between an event and the next attempt: a busy directory causes no storm of them.
const AFTER_EVENT: Duration = Duration::from_millis(50);

/// The pause where `inotify(7)` is unavailable.
const UNWATCHED: Duration = Duration::from_secs(60);

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

/// Completes once the path no longer leads to the file. `settling`: the directory is new, so that
/// another one may be mounted over it.
///
/// A rename of a directory above the socket's own, or a mount over one, is no event here: such a
/// loss goes unnoticed until something else changes in the directory.
pub async fn lost<C: Clock>(place: &Place, settling: bool, clock: &C) {
    let directory = place.path.parent().unwrap_or(Path::new("/"));
    let mut pauses = pauses().filter(|_| settling);
    let mut warned = false;
    loop {
        // Watched before the look, so that no loss falls between them.
        let watch = DirectoryWatch::on(directory, LEAVES);
        if !place.holds() {
            return;
        }
        match watch {
            Ok(watch) => {
                watch.event_or(pauses.next(), &[], clock).await;
            }
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    warn_unwatched(directory, &error);
                }
                clock.sleep(UNWATCHED).await;
            }
        }
    }
}

/// Attempts to create the socket `path`, and again after each change near it, until that succeeds.
/// Logs once why it does not, unless even the parent of the socket's directory is away.
pub async fn once_back<C: Clock, T, E: Display>(
    path: &Path,
    clock: &C,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let own = names_beside(path);
    let mut left = pauses();
    let mut warned = false;
    loop {
        let watch = DirectoryWatch::near(directory);
        let error = match attempt().await {
            Ok(done) => return done,
            Err(error) => error,
        };
        let pause = left.next();
        if pause.is_none() && !std::mem::replace(&mut warned, true) {
            if directory.parent().is_some_and(Path::exists) {
                tracing::warn!(%error, "the socket is not back; waiting for a change beside it");
            }
            if let Err(error) = &watch {
                warn_unwatched(directory, error);
            }
        }
        match watch {
            Ok(watch) => {
                if watch.event_or(pause, &own, clock).await {
                    clock.sleep(AFTER_EVENT).await;
                    left = pauses();
                }
            }
            Err(_) => clock.sleep(pause.unwrap_or(UNWATCHED)).await,
        }
    }
}

fn warn_unwatched(directory: &Path, error: &io::Error) {
    let directory = directory.display();
    let hint = match Errno::from_io_error(error) {
        Some(Errno::MFILE) => {
            "; raise fs.inotify.max_user_instances or the limit on open files (ulimit -n)"
        }
        Some(Errno::NOSPC) => "; raise fs.inotify.max_user_watches",
        Some(_) | None => remedy(error),
    };
    let error = format_args!("{error}{hint}");
    tracing::warn!(%directory, %error, "the socket's directory is only looked at once a minute");
}

struct DirectoryWatch(Async<OwnedFd>);

impl DirectoryWatch {
    fn on(directory: &Path, flags: WatchFlags) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&watch, directory, flags)?;
        Async::new_nonblocking(watch).map(Self)
    }

    /// Watches the nearest directory that exists and may be read.
    fn near(directory: &Path) -> io::Result<Self> {
        let mut watch = Self::on(directory, COMES);
        for above in directory.ancestors().skip(1) {
            if watch.is_ok() {
                break;
            }
            watch = Self::on(above, COMES);
        }
        watch
    }

    /// Completes after an event that is not about one of `names`, or after the pause. Returns
    /// whether there was an event.
    async fn event_or<C: Clock>(
        &self,
        pause: Option<Duration>,
        names: &[OsString],
        clock: &C,
    ) -> bool {
        let event = async {
            // An error is as good a reason to look as an event.
            while self.0.readable().await.is_ok() && !self.has_event(names) {}
            true
        };
        let Some(pause) = pause else {
            return event.await;
        };
        let pause = async {
            clock.sleep(pause).await;
            false
        };
        or(event, pause).await
    }

    /// Reads the events until one is not about `names`.
    fn has_event(&self, names: &[OsString]) -> bool {
        // More than one event with the longest name, `inotify(7)`.
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(self.0.get_ref(), &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(error) => return error != Errno::AGAIN,
            };
            let is_own = event.file_name().is_some_and(|found| {
                let found = found.to_bytes();
                names.iter().any(|name| name.as_bytes() == found)
            });
            if !is_own {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::Future;
    use std::time::Instant;

    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::address::Address;
    use crate::clock::MonotonicClock;
    use crate::net::listen::{self, SocketOptions};

    /// Completes with the future, or fails after a deadline.
    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        let late = async {
            async_io::Timer::after(Duration::from_secs(20)).await;
            panic!("not in time");
        };
        or(future, late).await
    }

    /// A clock whose sleeps end at once.
    #[derive(Clone)]
    struct ImmediateClock;

    impl Clock for ImmediateClock {
        fn now(&self) -> Instant {
            Instant::now()
        }

        fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> + 'static {
            std::future::ready(())
        }
    }

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
                in_time(lost).await;
            });
        }
    }

    #[test]
    fn an_attempt_is_repeated_once_the_directory_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("1000");
        let directory = parent.join("process-wrapper");
        let made = block_on(async {
            let path = directory.join("socket");
            let attempt = async || std::fs::create_dir(&directory);
            let mut back = std::pin::pin!(once_back(&path, &MonotonicClock, attempt));
            assert!(poll_once(&mut back).await.is_none());
            std::fs::create_dir(&parent).unwrap();
            let _: () = in_time(back).await;
            directory.exists()
        });
        assert!(made);
    }

    #[test]
    fn the_files_of_an_attempt_are_no_event_and_the_removal_of_another_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let own = names_beside(&path);
        std::fs::write(&path, "").unwrap();
        let watch = DirectoryWatch::near(folder.path()).unwrap();
        for name in &own {
            std::fs::write(folder.path().join(name), "").unwrap();
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        assert!(!watch.has_event(&own));
        std::fs::remove_file(&path).unwrap();
        assert!(watch.has_event(&own));
    }

    #[test]
    fn attempts_at_an_occupied_path_end_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        std::fs::write(&path, "").unwrap();
        let options = SocketOptions::default();
        let address = Address::Unix(path.clone());
        let attempts = Cell::new(0);
        let attempt = async || {
            attempts.set(attempts.get() + 1);
            listen::bind(&address, &options).await
        };
        block_on(async {
            let mut back = std::pin::pin!(once_back(&path, &ImmediateClock, attempt));
            // The clock's pauses take no time: the attempts after the loss are all made here.
            assert!(poll_once(&mut back).await.is_none());
            let at_rest = PAUSES.len() + 1;
            assert_eq!(attempts.get(), at_rest);
            let awhile = async {
                async_io::Timer::after(Duration::from_millis(100)).await;
                None
            };
            let woken = or(async { Some((&mut back).await) }, awhile).await;
            assert!(woken.is_none());
            assert_eq!(attempts.get(), at_rest);
            std::fs::remove_file(&path).unwrap();
            assert_eq!(in_time(back).await.len(), 1);
            assert_eq!(attempts.get(), at_rest + 1);
        });
    }
}
