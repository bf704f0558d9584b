//! Reloading of token and certificate files when they change.
//!
//! Owns reading and polling; the caller parses. If parsing fails, the last good value stays in
//! force. Contents are compared, not times: Kubernetes rotates a secret by replacing a symbolic
//! link.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::file::{self, Pipes};
use crate::clock::Clock;

/// The polling interval. A change counts when two polls agree, so that a partly written file is not
/// parsed.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path:?} cannot be used: {why}")]
pub struct ReloadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl ReloadError {
    /// An error about this file.
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
    /// Reads the files and passes their contents to `parse`, in the same order. Blocks: only for
    /// the start.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read, or the error of `parse`.
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

    /// Polls the files until dropped. `on_change` gets each change: accepted, or why the last good
    /// value stays in force.
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
            // Reading blocks, and this thread serves calls.
            let now = match crate::thread::run(move || read(&files)).await {
                // Without a thread the next poll reads them.
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
        // `contents` may hold secrets.
        f.debug_struct("Reloadable")
            .field("files", &self.files)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ReloadError> {
    files.iter().map(|path| contents(path)).collect()
}

/// Reads a file that is read again later. Blocks.
///
/// # Errors
///
/// Why [`file::read`] does not read it.
pub fn contents(path: &Path) -> Result<Vec<u8>, ReloadError> {
    file::read(path, Pipes::Refused).map_err(|error| ReloadError::new(path, error))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::time::Instant;

    use smol::future::{FutureExt as _, yield_now};

    use super::*;

    /// A clock whose sleeps end at once.
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

    /// The text of two files; `broken` does not parse.
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
    fn changes_are_accepted_and_broken_contents_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
        write("a", "1");
        write("b", "2");
        let reloadable = two(folder.path());
        assert_eq!(*reloadable.get(), "12");
        let on_change = RefCell::new(Vec::new());
        let watch = reloadable.watch(ImmediateClock, |_, result| {
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
            assert_eq!(*reloadable.get(), "32");
            write("b", "broken");
            until(2).await;
            assert_eq!(*reloadable.get(), "32");
            std::fs::remove_file(at("b")).unwrap();
            until(3).await;
            assert_eq!(*reloadable.get(), "32");
            // As in a Kubernetes rotation: the name is a link, and the link is replaced.
            write("later", "4");
            std::os::unix::fs::symlink("later", at("link")).unwrap();
            std::fs::rename(at("link"), at("b")).unwrap();
            until(4).await;
            assert_eq!(*reloadable.get(), "34");
            write("even later", "5");
            std::os::unix::fs::symlink("even later", at("link")).unwrap();
            std::fs::rename(at("link"), at("b")).unwrap();
            until(5).await;
            assert_eq!(*reloadable.get(), "35");
        };
        let deadline = async {
            smol::Timer::after(Duration::from_secs(20)).await;
            panic!("only these changes: {:?}", on_change.borrow());
        };
        smol::block_on(watch.or(steps).or(deadline));
        assert_eq!(*on_change.borrow(), [true, false, false, true, true]);
    }
}
