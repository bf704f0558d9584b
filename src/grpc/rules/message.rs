//! Length-prefixed messages: the framing inside DATA frames.
//!
//! Owns the five-byte prefix in both directions (PROTOCOL-HTTP2, "Length-Prefixed-Message"). It
//! never parses a message, never compresses, and never holds more than one message and its prefix.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::grpc::rules::status::{Code, Status};

/// Bytes of a prefix: one of flags, four of length.
pub const PREFIX: usize = 5;

/// Why the bytes of a stream are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The compressed flag is set, and no encoding but identity is supported.
    #[error("a message is flagged as compressed without a grpc-encoding: send it uncompressed")]
    Compressed,
    /// The protocol does not define these flags.
    #[error("a message has the undefined flags {0}: only 0 is accepted")]
    Flags(u8),
    /// The declared length is over the limit. Nothing is allocated for it.
    #[error("a message of {length} bytes is over the limit of {limit}: send a smaller one")]
    TooLong {
        /// The declared length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The stream ended inside a prefix or a message.
    #[error("the stream ended inside a message: its last {missing} bytes or more are missing")]
    Truncated {
        /// Missing bytes, as far as known.
        missing: usize,
    },
}

impl From<FramingError> for Status {
    fn from(error: FramingError) -> Self {
        let code = match error {
            FramingError::TooLong { .. } => Code::ResourceExhausted,
            FramingError::Compressed | FramingError::Flags(_) | FramingError::Truncated { .. } => {
                Code::Internal
            }
        };
        Self::new(code, error.to_string())
    }
}

/// Finds messages in chunks that may end anywhere.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    state: DecoderState,
}

#[derive(Debug)]
enum DecoderState {
    /// Inside a prefix.
    Prefix { bytes: [u8; PREFIX], filled: usize },
    /// Inside a message of `length` bytes. The buffer grows with the bytes that come: a peer that
    /// only declares a length pins nothing.
    Body { length: usize, buffer: BytesMut },
}

impl DecoderState {
    const START: Self = Self::Prefix {
        bytes: [0; PREFIX],
        filled: 0,
    };
}

impl Decoder {
    /// A decoder for messages of at most `limit` bytes, the prefix not counted.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            state: DecoderState::START,
        }
    }

    /// Takes bytes off the front of `chunk` until a message is whole or the chunk is empty.
    ///
    /// # Errors
    ///
    /// The stream is unusable: no later call can find the start of a message again.
    pub fn decode(&mut self, chunk: &mut Bytes) -> Result<Option<Bytes>, FramingError> {
        loop {
            match &mut self.state {
                DecoderState::Prefix { bytes, filled } => {
                    let taken = chunk.len().min(PREFIX - *filled);
                    chunk.copy_to_slice(&mut bytes[*filled..*filled + taken]);
                    *filled += taken;
                    if *filled > 0 {
                        check_flags(bytes[0])?;
                    }
                    if *filled < PREFIX {
                        return Ok(None);
                    }
                    let length = declared_length(*bytes, self.limit)?;
                    self.state = DecoderState::Body {
                        length,
                        buffer: BytesMut::new(),
                    };
                }
                DecoderState::Body { length, buffer } => {
                    let missing = *length - buffer.len();
                    if chunk.len() < missing {
                        buffer.extend_from_slice(chunk);
                        chunk.clear();
                        return Ok(None);
                    }
                    let rest = chunk.split_to(missing);
                    let message = if buffer.is_empty() {
                        rest
                    } else {
                        buffer.extend_from_slice(&rest);
                        std::mem::take(buffer).freeze()
                    };
                    self.state = DecoderState::START;
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Bytes that are buffered for an incomplete message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match &self.state {
            DecoderState::Prefix { .. } => 0,
            DecoderState::Body { buffer, .. } => buffer.capacity(),
        }
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`FramingError::Truncated`] inside a prefix or a message.
    pub fn finish(&self) -> Result<(), FramingError> {
        let missing = match &self.state {
            DecoderState::Prefix { filled: 0, .. } => return Ok(()),
            DecoderState::Prefix { filled, .. } => PREFIX - *filled,
            DecoderState::Body { length, buffer } => length.saturating_sub(buffer.len()),
        };
        Err(FramingError::Truncated { missing })
    }
}

fn declared_length(prefix: [u8; PREFIX], limit: usize) -> Result<usize, FramingError> {
    let [_, a, b, c, d] = prefix;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FramingError::TooLong { length, limit });
    }
    Ok(length)
}

const fn check_flags(flags: u8) -> Result<(), FramingError> {
    match flags {
        0 => Ok(()),
        1 => Err(FramingError::Compressed),
        other => Err(FramingError::Flags(other)),
    }
}

/// Encodes a message with its prefix.
///
/// # Errors
///
/// [`FramingError::TooLong`] if it is over `limit` or over `u32::MAX` bytes.
pub fn encode<M: prost::Message>(message: &M, limit: usize) -> Result<Bytes, FramingError> {
    let length = message.encoded_len();
    let declared = match u32::try_from(length) {
        Ok(declared) if length <= limit => declared,
        Ok(_) | Err(_) => return Err(FramingError::TooLong { length, limit }),
    };
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(declared);
    message.encode_raw(&mut frame);
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![flags];
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// Feeds `bytes` in chunks of `size` and returns the messages and whether the stream may end.
    fn decode_all(bytes: &[u8], size: usize) -> Result<Vec<Bytes>, FramingError> {
        let mut decoder = Decoder::new(64);
        let mut messages = Vec::new();
        for chunk in bytes.chunks(size) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(message) = decoder.decode(&mut chunk)? {
                messages.push(message);
            }
            assert!(
                chunk.is_empty(),
                "an incomplete message leaves no bytes in the chunk"
            );
        }
        decoder.finish()?;
        Ok(messages)
    }

    #[test]
    fn messages_survive_any_split_into_chunks() {
        let payloads: [&[u8]; 5] = [b"one", b"", b"x", &[7; 64], b""];
        let bytes: Vec<u8> = payloads
            .iter()
            .flat_map(|payload| frame(0, payload))
            .collect();
        for size in 1..=bytes.len() {
            assert_eq!(
                decode_all(&bytes, size).unwrap(),
                payloads,
                "chunks of {size}"
            );
        }
    }

    #[test]
    fn an_empty_stream_has_no_message() {
        assert_eq!(decode_all(b"", 1), Ok(vec![]));
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_truncated() {
        let bytes = frame(0, b"four");
        for cut in 1..bytes.len() {
            let missing = if cut < PREFIX {
                PREFIX - cut
            } else {
                bytes.len() - cut
            };
            assert_eq!(
                decode_all(&bytes[..cut], bytes.len()),
                Err(FramingError::Truncated { missing }),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn undefined_flags_are_refused_at_the_first_byte() {
        assert_eq!(decode_all(&[1], 1), Err(FramingError::Compressed));
        for flags in [2, 3, 128, 255] {
            assert_eq!(decode_all(&[flags], 1), Err(FramingError::Flags(flags)));
            assert_eq!(
                decode_all(&frame(flags, b"x"), 9),
                Err(FramingError::Flags(flags))
            );
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_body() {
        assert_eq!(decode_all(&frame(0, &[0; 64]), 99).unwrap().len(), 1);
        for length in [65_usize, 0xffff_ffff] {
            let mut prefix = vec![0];
            prefix.extend(u32::try_from(length).unwrap().to_be_bytes());
            let error = FramingError::TooLong { length, limit: 64 };
            assert_eq!(decode_all(&prefix, 5), Err(error));
            assert_eq!(Status::from(error).code, Code::ResourceExhausted);
        }
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let mut decoder = Decoder::new(usize::MAX);
        let mut chunk = Bytes::from_static(&[0, 0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(decoder.decode(&mut chunk), Ok(None));
        match &decoder.state {
            DecoderState::Body { buffer, .. } => assert_eq!(buffer.capacity(), 0),
            DecoderState::Prefix { .. } => panic!("the prefix was complete"),
        }
    }

    #[test]
    fn an_encoded_message_decodes() {
        let message = prost_types::Duration {
            seconds: 7,
            nanos: 0,
        };
        let bytes = encode(&message, 2).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 2, 8, 7][..]);
        assert_eq!(decode_all(&bytes, 3).unwrap(), [&[8, 7][..]]);
        let error = FramingError::TooLong {
            length: 2,
            limit: 1,
        };
        assert_eq!(encode(&message, 1), Err(error));
    }
}
