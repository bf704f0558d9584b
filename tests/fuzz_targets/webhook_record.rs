//! The files of the state directory.

use process_wrapper::spool::frame::{Unreadable, frame};
use process_wrapper::spool::record::Record;

use super::cursor::{Cursor, is_telling};

/// The bytes are a file, or the message in a whole one. What is read can be written and read again
/// as itself; a part of it is not read, nor is a changed one; an error repeats nothing.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let is_whole = cursor.bool();
    let (at, bit) = (cursor.u16(), cursor.u8(..8));
    let version = if cursor.u8(..16) == 0 { 2 } else { 1 };
    let rest = cursor.rest();
    let bytes = match is_whole {
        true => frame(version, rest).unwrap(),
        false => rest.to_vec(),
    };
    match Record::decode(&bytes) {
        Ok(record) => {
            let written = record.encode().unwrap();
            assert_eq!(Record::decode(&written), Ok(record));
            let at = usize::from(at) % written.len();
            assert!(Record::decode(&written[..at]).is_err(), "cut at {at}");
            let mut changed = written;
            changed[at] ^= 1 << bit;
            assert!(Record::decode(&changed).is_err(), "bit {bit} of {at}");
        }
        Err(error) => {
            assert_eq!(
                error == Unreadable::Version(2),
                is_whole && version == 2 && bytes.len() <= 1024 * 1024
            );
            let text = String::from_utf8_lossy(rest);
            let said = error.to_string();
            for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
                // The words of our own sentences.
                let is_ours = "it is no file of process wrapper torn its length does not fit \
                     checksum message parse field id invalid method url or headers report signals \
                     outcome exit a later version has written format"
                    .contains(word);
                assert!(
                    is_ours || !is_telling(word) || !said.contains(word),
                    "{said}"
                );
            }
        }
    }
}
