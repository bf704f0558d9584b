//! One webhook as a file of the state directory.
//!
//! Owns the frame: version, length, checksum. It never reads or writes a file, and
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

use prost::Message as _;
use ring::digest::{SHA256, digest};

use super::message::{InvalidField, StoredWebhook};
use super::record::Record;

const MAGIC: &[u8; 7] = b"pwspool";
const VERSION: u8 = 1;
const HEADER: usize = 12;
const CHECKSUM: usize = 32;

/// Maximum size of a file, in bytes. URL, headers and errors have limits of their own far below;
/// a program's name has none.
pub const MAX_BYTES: usize = 1024 * 1024;

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
        let message = StoredWebhook::from(self).encode_to_vec();
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
        let message = StoredWebhook::decode(message).map_err(|_| Unreadable::Message)?;
        Ok(Self::try_from(message)?)
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

#[cfg(test)]
pub(super) mod tests;
