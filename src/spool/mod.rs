//! The state directory: accepted webhooks as files, so that a killed wrapper loses none.
//!
//! Owns the files of `--state-dir` and the thread that writes them. It never decides when a webhook
//! is due and never delivers one: `lifecycle` and `webhook` do.
//!
//! # Design
//!
//! A mail spool: each webhook is one file, `ID.webhook`, which is replaced as a whole.
//!
//! ```text
//! request ─▶ file written ─▶ signal sent ─▶ request answered
//!                 │                │
//!                 │ fails          │ refused
//!                 ▼                ▼
//!            UNAVAILABLE      file removed        exit ─▶ its facts written ─▶ attempts
//!                                                                                │
//!                                              delivered: file removed ◀─────────┤
//!                                        given up: kept for --keep-failed ◀──────┘
//! ```
//!
//! - **Write**: temporary name, fsync, rename, fsync of the directory ([`directory`]). A kill at
//!   any point leaves the old contents or the new ones.
//! - **Format**: [`frame`], with version, length and checksum. A file that is torn or foreign is
//!   renamed to `NAME.bad`; a start goes on without it.
//! - **Thread**: [`writer`] has one thread for every operation on the disk, so that a disk that
//!   hangs blocks no call and no signal. Its queue has one entry per file: a later change of a file
//!   replaces one that still waits.
//! - **Identity**: a file names the process by boot id, pid namespace, pid and start time
//!   ([`identity`]). The next wrapper opens a pidfd, then compares: it waits for a process that is
//!   still alive, and reports one that is gone as `lost`.
//! - **Orders**: `ID.retry` and `ID.drop` are markers of an operator ([`markers`]). A wrapper sees
//!   them by inotify, or at its start.
//! - **Owner**: a lock file gives the directory to one wrapper. Its mode is 0700, its files' 0600.
//!   They hold the URL and the headers of the webhook, which can be secrets.
//!
//! Not solved: a directory above that other users can write to, such as a Kubernetes `emptyDir`
//! (0777 without the sticky bit). Other users cannot read or forge a file there, but they can
//! rename the whole directory, and then the next wrapper finds none. The start warns about it.

pub mod directory;
pub mod frame;
pub mod identity;
pub mod markers;
pub mod message;
pub mod record;
pub mod writer;
