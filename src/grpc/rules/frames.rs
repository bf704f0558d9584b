//! The frames that a client sends, seen from outside.
//!
//! Owns the way from bytes that may end anywhere to the heads of frames (RFC 9113, sections 3.4 and
//! 4.1). It never looks into a payload and never refuses anything: h2 does both.

/// The client's connection preface, without the SETTINGS frame that ends it.
const PREFACE: usize = 24;

/// Three bytes of length, one of type, one of flags, four of stream.
const HEAD: usize = 9;

/// What kind of frame it is (RFC 9113, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Part of a message.
    Data,
    /// The start of a call, or its trailers.
    Headers,
    /// The end of a call that its client does not wait for.
    RstStream,
    /// All others; on most connections there are few of them.
    Other,
}

impl FrameKind {
    const fn of(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x3 => Self::RstStream,
            // PRIORITY, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, unknown ones.
            _ => Self::Other,
        }
    }
}

/// Finds the heads of frames in what a client sends.
#[derive(Debug)]
pub struct FrameScanner {
    at: ScanState,
    preface_received: bool,
}

#[derive(Debug)]
enum ScanState {
    /// Inside the preface, of which this much is missing.
    Preface { missing: usize },
    /// Inside a head, of which this much has come.
    Head { bytes: [u8; HEAD], filled: usize },
    /// Inside a payload, of which this much is missing.
    Payload { missing: usize },
}

const NEXT_HEAD: ScanState = ScanState::Head {
    bytes: [0; HEAD],
    filled: 0,
};

impl Default for FrameScanner {
    fn default() -> Self {
        Self {
            at: ScanState::Preface { missing: PREFACE },
            preface_received: false,
        }
    }
}

impl FrameScanner {
    /// Takes the next bytes, and calls `seen` for each head that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut seen: impl FnMut(FrameKind)) {
        while !bytes.is_empty() {
            match &mut self.at {
                ScanState::Preface { missing } => {
                    if skip(&mut bytes, missing) {
                        self.at = NEXT_HEAD;
                    }
                }
                ScanState::Head {
                    bytes: head,
                    filled,
                } => {
                    let (now, later) = bytes.split_at(bytes.len().min(HEAD - *filled));
                    head[*filled..*filled + now.len()].copy_from_slice(now);
                    *filled += now.len();
                    bytes = later;
                    if *filled == HEAD {
                        let [a, b, c, kind, ..] = *head;
                        let length = u32::from_be_bytes([0, a, b, c]);
                        seen(FrameKind::of(kind));
                        let missing = usize::try_from(length).unwrap_or(usize::MAX);
                        self.enter_payload(missing);
                    }
                }
                ScanState::Payload { missing } => {
                    if skip(&mut bytes, missing) {
                        self.enter_payload(0);
                    }
                }
            }
        }
    }

    fn enter_payload(&mut self, missing: usize) {
        if missing == 0 {
            self.preface_received = true;
            self.at = NEXT_HEAD;
        } else {
            self.at = ScanState::Payload { missing };
        }
    }

    /// Whether the preface and one whole frame have come. It must be SETTINGS; h2 sees to that.
    #[must_use]
    pub const fn preface_received(&self) -> bool {
        self.preface_received
    }
}

/// Takes what is missing off the front of `bytes`; says whether nothing is missing any more.
fn skip(bytes: &mut &[u8], missing: &mut usize) -> bool {
    let (skipped, later) = bytes.split_at(bytes.len().min(*missing));
    *missing -= skipped.len();
    *bytes = later;
    *missing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let head = [0, 0, length, kind, 0, 0, 0, 0, 1];
        // A payload that would be read as heads if it were not skipped.
        [&head[..], &vec![0; usize::from(length)]].concat()
    }

    #[test]
    fn heads_are_found_however_the_bytes_are_cut() {
        let settings = frame(4, 18);
        let bytes = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            settings,
            frame(1, 3),
            frame(0, 200),
            frame(3, 4),
            frame(6, 0),
            frame(0x42, 1),
        ]
        .concat();
        for size in 1..=bytes.len() {
            let mut frames = FrameScanner::default();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(size) {
                frames.feed(chunk, |kind| seen.push(kind));
            }
            assert_eq!(
                seen,
                [
                    FrameKind::Other,
                    FrameKind::Headers,
                    FrameKind::Data,
                    FrameKind::RstStream,
                    FrameKind::Other,
                    FrameKind::Other
                ],
                "chunks of {size}"
            );
        }
    }

    #[test]
    fn a_client_has_greeted_with_the_last_byte_of_its_first_frame() {
        for length in [0, 12] {
            let greeting = [vec![b'x'; PREFACE], frame(4, length)].concat();
            let mut frames = FrameScanner::default();
            let (last, rest) = greeting.split_last().unwrap();
            frames.feed(rest, |_| {});
            assert!(!frames.preface_received());
            frames.feed(&[*last], |_| {});
            assert!(frames.preface_received());
        }
    }
}
