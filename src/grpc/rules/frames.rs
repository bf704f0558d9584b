//! HTTP/2 frame headers in a byte stream.
//!
//! Owns the way from bytes that may end anywhere to frame headers (RFC 9113, sections 3.4 and 4.1).
//! It never interprets a payload and never refuses anything: h2 does both.

/// Octets of the client's connection preface, without the SETTINGS frame that ends it.
const PREFACE: usize = 24;

/// Octets of a frame header: three of length, one of type, one of flags, four of stream.
const HEADER: usize = 9;

/// The frame types that this crate tells apart (RFC 9113, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// DATA: a part of a message.
    Data,
    /// HEADERS: the start of a call, or its trailers.
    Headers,
    /// `RST_STREAM`: the client gives up a call.
    RstStream,
    /// CONTINUATION: more of a field block.
    Continuation,
    /// PRIORITY, SETTINGS, `PUSH_PROMISE`, PING, GOAWAY, `WINDOW_UPDATE`, and unknown types.
    Other,
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The header as it was sent.
    pub octets: [u8; HEADER],
    /// The type.
    pub kind: FrameKind,
    /// The flags; their meaning depends on the type.
    pub flags: u8,
    /// Octets of payload, below 2^24.
    pub length: u32,
}

impl FrameHeader {
    fn parse(octets: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, ..] = octets;
        let kind = match kind {
            0x0 => FrameKind::Data,
            0x1 => FrameKind::Headers,
            0x3 => FrameKind::RstStream,
            0x9 => FrameKind::Continuation,
            _ => FrameKind::Other,
        };
        let length = u32::from_be_bytes([0, a, b, c]);
        Self {
            octets,
            kind,
            flags,
            length,
        }
    }
}

/// What the bytes are that [`FrameScanner::advance`] has consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScannedPart {
    /// A part of the preface.
    Preface,
    /// A part of a frame header that is not complete yet.
    Incomplete,
    /// The last octets of this frame header.
    Header(FrameHeader),
    /// Octets of the payload of the last frame header.
    Payload,
}

/// Finds the frame headers in the bytes of one client, from the preface on.
#[derive(Debug)]
pub struct FrameScanner {
    state: ScanState,
    preface_received: bool,
}

#[derive(Debug)]
enum ScanState {
    Preface { missing: usize },
    Header { bytes: [u8; HEADER], filled: usize },
    Payload { missing: usize },
}

const NEXT_HEADER: ScanState = ScanState::Header {
    bytes: [0; HEADER],
    filled: 0,
};

impl Default for FrameScanner {
    fn default() -> Self {
        Self {
            state: ScanState::Preface { missing: PREFACE },
            preface_received: false,
        }
    }
}

impl FrameScanner {
    /// Consumes bytes from the front of `bytes` up to the end of one part. Returns how many, and
    /// the part; the number is 0 only for empty `bytes`.
    pub fn advance(&mut self, bytes: &[u8]) -> (usize, ScannedPart) {
        match &mut self.state {
            ScanState::Preface { missing } => {
                let taken = bytes.len().min(*missing);
                *missing -= taken;
                if *missing == 0 {
                    self.state = NEXT_HEADER;
                }
                (taken, ScannedPart::Preface)
            }
            ScanState::Header {
                bytes: header,
                filled,
            } => {
                let taken = bytes.len().min(HEADER - *filled);
                header[*filled..*filled + taken].copy_from_slice(&bytes[..taken]);
                *filled += taken;
                if *filled < HEADER {
                    return (taken, ScannedPart::Incomplete);
                }
                let header = FrameHeader::parse(*header);
                self.enter_payload(usize::try_from(header.length).unwrap_or(usize::MAX));
                (taken, ScannedPart::Header(header))
            }
            ScanState::Payload { missing } => {
                let taken = bytes.len().min(*missing);
                let missing = *missing - taken;
                self.enter_payload(missing);
                (taken, ScannedPart::Payload)
            }
        }
    }

    /// Consumes all of `bytes`, and calls `on_frame` for each frame header that they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_frame: impl FnMut(FrameHeader)) {
        while !bytes.is_empty() {
            let (taken, part) = self.advance(bytes);
            if let ScannedPart::Header(header) = part {
                on_frame(header);
            }
            bytes = &bytes[taken..];
        }
    }

    fn enter_payload(&mut self, missing: usize) {
        if missing == 0 {
            self.preface_received = true;
            self.state = NEXT_HEADER;
        } else {
            self.state = ScanState::Payload { missing };
        }
    }

    /// Whether the preface and one whole frame have come. h2 checks that the frame is SETTINGS.
    #[must_use]
    pub const fn preface_received(&self) -> bool {
        self.preface_received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let header = [0, 0, length, kind, 4, 0, 0, 0, 1];
        // A payload of zeros would parse as headers if the scanner did not skip it.
        [&header[..], &vec![0; usize::from(length)]].concat()
    }

    #[test]
    fn frame_headers_are_found_in_chunks_of_any_size() {
        let frames = [(4, 18), (1, 3), (0, 200), (3, 4), (9, 1), (6, 0), (0x42, 1)];
        let mut bytes = vec![b'x'; PREFACE];
        for (kind, length) in frames {
            bytes.extend(frame(kind, length));
        }
        for size in 1..=bytes.len() {
            let mut scanner = FrameScanner::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(size) {
                scanner.feed(chunk, |frame| {
                    found.push((frame.kind, frame.length, frame.flags))
                });
            }
            let expected = [
                (FrameKind::Other, 18, 4),
                (FrameKind::Headers, 3, 4),
                (FrameKind::Data, 200, 4),
                (FrameKind::RstStream, 4, 4),
                (FrameKind::Continuation, 1, 4),
                (FrameKind::Other, 0, 4),
                (FrameKind::Other, 1, 4),
            ];
            assert_eq!(found, expected, "chunks of {size}");
        }
    }

    #[test]
    fn the_preface_is_received_with_the_last_byte_of_the_first_frame() {
        for length in [0, 12] {
            let bytes = [vec![b'x'; PREFACE], frame(4, length)].concat();
            let mut scanner = FrameScanner::default();
            let (last, rest) = bytes.split_last().unwrap();
            scanner.feed(rest, |_| {});
            assert!(!scanner.preface_received());
            scanner.feed(&[*last], |_| {});
            assert!(scanner.preface_received());
        }
    }
}
