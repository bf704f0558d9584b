//! One webhook as a file of the state directory.
//!
//! Owns the record and its frame: version, length, checksum. It never reads or writes a file, and
//! never panics on bytes that it did not write.
//!
//! ```text
//! offset  bytes  content
//!      0      7  "pwspool"
//!      7      1  version, 1
//!      8      4  length of the message, little endian
//!     12    len  protobuf message, see `message`
//!  12+len     32  SHA-256 of all bytes before
//! ```
//!
//! The frame is the same in every version, so that a wrapper tells a newer file from a broken one.
//! Fields are added to the message under new numbers; a wrapper that does not know one skips it.

use std::fmt;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use ring::digest::{SHA256, digest};

use super::message::{InvalidField, Message};
use crate::webhook::exit_report::ExitReport;
use crate::webhook::request::WebhookRequest;

const MAGIC: &[u8; 7] = b"pwspool";
const VERSION: u8 = 1;
const HEADER: usize = 12;
const CHECKSUM: usize = 32;

/// Maximum size of a file, in bytes. URL, headers and errors have limits of their own far below;
/// a program's name has none.
pub const MAX_BYTES: usize = 1024 * 1024;

/// An accepted webhook, and all that the next wrapper needs to deliver it. Times are of the wall
/// clock, which survives a reboot; the file keeps their microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The `webhook-id` of every attempt.
    pub id: String,
    /// URL, method, headers, and who asked for it.
    pub webhook: WebhookRequest,
    /// When the wrapper accepted it.
    pub accepted_at: SystemTime,
    /// The time limit of its delivery, from `due_at`.
    pub deadline: Duration,
    /// When its delivery began; `None` before the end of the process was seen.
    pub due_at: Option<SystemTime>,
    /// Attempts started.
    pub attempts: u32,
    /// The error of the last failed attempt; empty if none failed.
    pub last_error: String,
    /// When its delivery was given up.
    pub failed_at: Option<SystemTime>,
    /// The process whose end it reports; `None` before that was started.
    pub process: Option<ProcessIdentity>,
    /// The content. Until the end of the process is seen, the outcome is `lost`, and the next
    /// wrapper sends it as it is.
    pub report: ExitReport,
}

/// Identifies a process beyond the life of its pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// `/proc/sys/kernel/random/boot_id`, random(4); empty if it could not be read.
    pub boot_id: String,
    /// Inode of the pid namespace, pid_namespaces(7); 0 if it could not be read.
    pub pid_namespace: u64,
    /// The pid in that namespace.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`, proc_pid_stat(5): clock ticks from boot to the start; 0 if it
    /// could not be read.
    pub start_time: u64,
}

/// Why a file holds no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not one of ours.
    #[error("it is no file of process-wrapper")]
    Foreign,
    /// Shorter or longer than its length field says.
    #[error("it is torn: its length does not fit")]
    Length,
    /// The contents have changed.
    #[error("its checksum does not fit")]
    Checksum,
    /// Whole, but of a later version.
    #[error("a later version of process-wrapper has written it (format {0})")]
    Version(u8),
    /// Whole, but no protobuf message.
    #[error("its message does not parse")]
    Message,
    /// Whole, but a field is invalid.
    #[error("{0}")]
    Field(#[from] InvalidField),
}

/// The record is larger than [`MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the webhook takes more than {MAX_BYTES} bytes on disk")
    }
}

impl Record {
    /// The contents of its file.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, TooLarge> {
        let message = Message::from(self).encode_to_vec();
        let bytes = frame(VERSION, &message).ok_or(TooLarge)?;
        match bytes.len() <= MAX_BYTES {
            true => Ok(bytes),
            false => Err(TooLarge),
        }
    }

    /// Reads the contents of a file.
    ///
    /// # Errors
    /// [`Unreadable`] repeats nothing of the contents.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Unreadable::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(Unreadable::Length)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(Unreadable::Length)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (message, checksum) = rest.split_at_checked(length).ok_or(Unreadable::Length)?;
        if checksum.len() != CHECKSUM || bytes.len() > MAX_BYTES {
            return Err(Unreadable::Length);
        }
        let covered = bytes.get(..HEADER + length).unwrap_or_default();
        if digest(&SHA256, covered).as_ref() != checksum {
            return Err(Unreadable::Checksum);
        }
        if *version != VERSION {
            return Err(Unreadable::Version(*version));
        }
        let message = Message::decode(message).map_err(|_| Unreadable::Message)?;
        Ok(Self::try_from(message)?)
    }

    /// What is left of the time for its delivery at `now`. A clock that was set back gives no more
    /// than the whole time.
    pub fn time_left(&self, now: SystemTime) -> Duration {
        let since_due = self
            .due_at
            .and_then(|due| now.duration_since(due).ok())
            .unwrap_or_default();
        self.deadline.saturating_sub(since_due)
    }
}

/// A whole file of this version and message; `None` if that is longer than the length field can
/// say.
pub fn frame(version: u8, message: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(message.len()).ok()?.to_le_bytes();
    let mut bytes = [MAGIC, &[version][..], &length, message].concat();
    let checksum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(checksum.as_ref());
    Some(bytes)
}

/// Whether a webhook of this id can be a file: the letters of our ids, and no path.
pub fn is_id(id: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.strip_prefix("msg_")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(hex))
}

#[cfg(test)]
#[path = "record/tests.rs"]
pub(super) mod tests;
