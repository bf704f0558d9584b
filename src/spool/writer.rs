//! The thread that writes the state directory.
//!
//! Owns the thread and its queue. The queue has one entry per file: a change replaces one of the
//! same file that still waits, so its length is bounded by the number of webhooks. It never drops
//! the last change of a file.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use super::directory::Directory;
use crate::process::signals;

/// Stack of the thread, in bytes. Its deepest call formats an error.
const STACK: usize = 256 * 1024;

/// Hands changes of files to the thread. Clones refer to the same thread.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<WriterState>,
    ended: Receiver<()>,
}

struct WriterState {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    work: VecDeque<DirectoryWork>,
    closed: bool,
}

struct Pending {
    id: String,
    change: Change,
    /// Of this change, and of those that it has replaced.
    done: Vec<Sender<io::Result<()>>>,
}

enum Change {
    Write(Vec<u8>),
    Remove,
}

/// Any other operation on the directory.
type DirectoryWork = Box<dyn FnOnce(&Directory) + Send>;

/// The result of one change, once it is on disk.
#[derive(Debug)]
pub struct Done(Receiver<io::Result<()>>);

impl Done {
    /// Completes once the change, or a later one of the same file, is on disk or has failed.
    ///
    /// # Errors
    /// Of the disk, or that the thread has ended.
    pub async fn wait(self) -> io::Result<()> {
        let ended = |_| io::Error::other("the writer of the state directory has ended");
        self.0.recv().await.map_err(ended)?
    }
}

impl Writer {
    /// Starts the thread, with all signals blocked.
    ///
    /// # Errors
    /// EAGAIN of `pthread_create(3)`.
    pub fn start(directory: Directory) -> io::Result<Self> {
        let shared = Arc::new(WriterState {
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let (running, ended) = async_channel::bounded(1);
        let (of_thread, start) = (Arc::clone(&shared), std::thread::Builder::new());
        let work = move || {
            of_thread.run(&directory);
            // The lock first, then the word that it is free.
            drop(directory);
            drop(running);
        };
        signals::masked(|| {
            start
                .name("state-dir".to_owned())
                .stack_size(STACK)
                .spawn(work)
        })?;
        Ok(Self { shared, ended })
    }

    /// Writes the file of a webhook.
    pub fn write(&self, id: &str, contents: Vec<u8>) -> Done {
        self.change(id, Change::Write(contents))
    }

    /// Removes the file of a webhook.
    pub fn remove(&self, id: &str) -> Done {
        self.change(id, Change::Remove)
    }

    /// Runs other work on the directory, in the thread, after the changes that wait.
    pub fn run(&self, work: impl FnOnce(&Directory) + Send + 'static) {
        self.shared.lock().work.push_back(Box::new(work));
        self.shared.changed.notify_one();
    }

    /// Ends the thread once the queue is empty; completes when it has.
    pub async fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        // Nothing is ever sent.
        let _closed = self.ended.recv().await;
    }

    fn change(&self, id: &str, change: Change) -> Done {
        let (sender, receiver) = async_channel::bounded(1);
        let mut queue = self.shared.lock();
        match queue.pending.iter_mut().find(|pending| pending.id == id) {
            Some(pending) => {
                pending.change = change;
                pending.done.retain(|sender| !sender.is_closed());
                pending.done.push(sender);
            }
            None => queue.pending.push_back(Pending {
                id: id.to_owned(),
                change,
                done: vec![sender],
            }),
        }
        drop(queue);
        self.shared.changed.notify_one();
        Done(receiver)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl WriterState {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, directory: &Directory) {
        let mut queue = self.lock();
        loop {
            if let Some(pending) = queue.pending.pop_front() {
                drop(queue);
                pending.perform(directory);
                queue = self.lock();
            } else if let Some(work) = queue.work.pop_front() {
                drop(queue);
                work(directory);
                queue = self.lock();
            } else if queue.closed {
                return;
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Pending {
    fn perform(self, directory: &Directory) {
        let result = match &self.change {
            Change::Write(contents) => directory.write(&self.id, contents),
            Change::Remove => directory.remove(&self.id),
        };
        if let Err(error) = &result
            && self.done.iter().all(Sender::is_closed)
        {
            let id = &self.id;
            tracing::warn!(id, %error, "a change of a webhook is not in the state directory");
        }
        for done in self.done {
            let copy = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            // A caller that no longer waits has dropped the receiver.
            let _unread = done.try_send(copy);
        }
    }
}

#[cfg(test)]
mod tests;
