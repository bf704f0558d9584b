//! Files that are read again when they change: tokens, certificates.
//!
//! Owns the reading and the rhythm. What the files mean is the caller's; what cannot be understood is
//! reported, and the last good state kept. Contents are compared, not times: a symbolic link that is
//! turned elsewhere, as Kubernetes does, is a change like any other.

use std::cell::RefCell;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::clock::Clock;

/// How often the files are looked at. A change counts when two looks agree on it, so that a file that
/// is being written is left in peace.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// More than any of them needs, in bytes.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// Why there is nothing to work with.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be used: {why}")]
pub struct ReloadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl ReloadError {
    /// Says what is wrong with a file.
    pub fn new(path: &Path, why: impl ToString) -> Self {
        Self {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, ReloadError>>;

/// The value parsed from files, which is parsed again when they change.
pub struct Reloadable<T> {
    files: Vec<PathBuf>,
    /// The last contents that `parse` saw, also if it refused them: it sees none twice.
    contents: RefCell<Vec<Vec<u8>>>,
    current: RefCell<Rc<T>>,
    parse: Parse<T>,
}

impl<T> Reloadable<T> {
    /// Reads the files for the first time. `parse` is given their contents in the same order. Blocks:
    /// only for the start.
    ///
    /// # Errors
    ///
    /// What cannot be read, and what `parse` says.
    pub fn new(
        files: Vec<PathBuf>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, ReloadError> + 'static,
    ) -> Result<Self, ReloadError> {
        let contents = read(&files)?;
        let current = RefCell::new(Rc::new(parse(&contents)?));
        Ok(Self {
            files,
            contents: RefCell::new(contents),
            current,
            parse: Box::new(parse),
        })
    }

    /// The value of the last good contents.
    pub fn get(&self) -> Rc<T> {
        Rc::clone(&self.current.borrow())
    }

    /// Looks at the files for as long as the task lives. `on_change` hears of each change: whether it was
    /// taken over, or why the last good state was kept.
    pub async fn watch<C: Clock>(
        &self,
        clock: C,
        on_change: impl Fn(&[PathBuf], Result<(), ReloadError>),
    ) {
        let mut unreadable = false;
        let mut previous = None;
        loop {
            clock.sleep(INTERVAL).await;
            let files = self.files.clone();
            // A disk may take its time, and this thread has other things to do.
            let now = match crate::thread::run(move || read(&files)).await {
                // Without a thread they are looked at the next time.
                Err(_) => continue,
                Ok(now) => now,
            };
            let now = match now {
                Ok(now) => now,
                Err(error) => {
                    // Between two steps of a rotation a file may be missing.
                    if previous.take().is_none() && !unreadable {
                        unreadable = true;
                        on_change(&self.files, Err(error));
                    }
                    continue;
                }
            };
            if now == *self.contents.borrow() {
                unreadable = false;
                previous = Some(now);
            } else if previous.as_ref() == Some(&now) {
                unreadable = false;
                let current = (self.parse)(&now);
                self.contents.replace(now);
                on_change(
                    &self.files,
                    current.map(|current| {
                        self.current.replace(Rc::new(current));
                    }),
                );
            } else {
                previous = Some(now);
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Reloadable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Their contents may be secret.
        f.debug_struct("Reloadable")
            .field("files", &self.files)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ReloadError> {
    let read = |path: &PathBuf| contents(path).map_err(|error| ReloadError::new(path, error));
    files.iter().map(read).collect()
}

/// The contents of a file that is not larger than anything that is read here. Blocks.
///
/// # Errors
///
/// Those of `open(2)` and `read(2)`, and whatever is not a regular file of at most a mebibyte.
pub fn contents(path: &Path) -> io::Result<Vec<u8>> {
    // Without waiting for the writer of a pipe: only a file has contents to compare.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut contents = Vec::new();
    let read = file.take(MAX_FILE_SIZE + 1).read_to_end(&mut contents)? as u64;
    if read > MAX_FILE_SIZE {
        return Err(io::Error::other("it has more than a mebibyte"));
    }
    Ok(contents)
}

/// Whether every user may read a file that should be secret.
pub fn is_world_readable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::time::Instant;

    use smol::future::{FutureExt as _, yield_now};

    use super::*;

    /// Every interval is over at once.
    #[derive(Clone)]
    struct ImmediateClock;

    impl Clock for ImmediateClock {
        fn now(&self) -> Instant {
            Instant::now()
        }

        fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> + 'static {
            yield_now()
        }
    }

    /// The text of two files; `broken` cannot be used.
    fn two(folder: &Path) -> Reloadable<String> {
        let files = vec![folder.join("a"), folder.join("b")];
        Reloadable::new(files, |contents| {
            let text = String::from_utf8(contents.concat()).unwrap();
            if text.contains("broken") {
                return Err(ReloadError::new(Path::new("a"), "it is broken"));
            }
            Ok(text)
        })
        .unwrap()
    }

    #[test]
    fn changes_are_taken_over_and_what_is_broken_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
        write("a", "1");
        write("b", "2");
        let reread = two(folder.path());
        assert_eq!(*reread.get(), "12");
        let on_change = RefCell::new(Vec::new());
        let watch = reread.watch(ImmediateClock, |_, result| {
            on_change.borrow_mut().push(result.is_ok());
        });
        let steps = async {
            let until = async |count: usize| {
                while on_change.borrow().len() < count {
                    yield_now().await;
                }
            };
            write("a", "3");
            until(1).await;
            assert_eq!(*reread.get(), "32");
            write("b", "broken");
            until(2).await;
            assert_eq!(*reread.get(), "32");
            std::fs::remove_file(at("b")).unwrap();
            until(3).await;
            assert_eq!(*reread.get(), "32");
            // As Kubernetes does it: the name is a link, and the link is turned.
            write("later", "4");
            std::os::unix::fs::symlink("later", at("link")).unwrap();
            std::fs::rename(at("link"), at("b")).unwrap();
            until(4).await;
            assert_eq!(*reread.get(), "34");
            write("even later", "5");
            std::os::unix::fs::symlink("even later", at("link")).unwrap();
            std::fs::rename(at("link"), at("b")).unwrap();
            until(5).await;
            assert_eq!(*reread.get(), "35");
        };
        let deadline = async {
            smol::Timer::after(Duration::from_secs(20)).await;
            panic!("on_change of {:?} only", on_change.borrow());
        };
        smol::block_on(watch.or(steps).or(deadline));
        assert_eq!(*on_change.borrow(), [true, false, false, true, true]);
    }

    #[test]
    fn what_is_no_file_of_a_sane_size_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let current = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(current.unwrap().success());
        let large = folder.path().join("large");
        std::fs::write(&large, vec![0; 1024 * 1024 + 1]).unwrap();
        let missing = folder.path().join("missing");
        for path in [pipe, large, missing, folder.path().to_owned()] {
            let error = Reloadable::new(vec![path.clone()], |_| Ok(())).unwrap_err();
            assert_eq!(error.path, path, "{error}");
        }
    }
}
