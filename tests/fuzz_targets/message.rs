//! Framing: any bytes in any chunks.

use bytes::Bytes;
use process_wrapper::grpc::rules::message::{Decoder, FramingError, PREFIX};
use process_wrapper::grpc::{Code, Status};

use super::cursor::Cursor;

/// Small, so that inputs are beyond it often.
const LIMIT: usize = 300;

/// However the bytes are cut, the same messages come out and the same error; and what comes out is
/// what stands in the bytes, in order, behind its prefixes.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let cuts = cursor.short();
    let stream = cursor.rest();

    let whole = decode([stream].into_iter());
    let single = decode(stream.chunks(1));
    assert_eq!(whole, single, "byte by byte");
    let mut cuts = cuts.iter().cycle();
    let mut left = stream;
    let chunks = std::iter::from_fn(|| {
        let size = usize::from(*cuts.next().unwrap_or(&1));
        let (chunk, rest) = left.split_at(size.min(left.len()));
        // A cut of 0 is an empty chunk, which a peer may send; but all of them would never end.
        let (chunk, rest) = if size == 0 && cuts.clone().take(256).all(|cut| *cut == 0) {
            (left, &left[..0])
        } else {
            (chunk, rest)
        };
        let ended = left.is_empty();
        left = rest;
        (!ended).then_some(chunk)
    });
    assert_eq!(whole, decode(chunks), "in chunks");

    let (messages, end) = whole;
    let mut encoded = Vec::new();
    for message in &messages {
        assert!(message.len() <= LIMIT);
        encoded.push(0);
        encoded.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        encoded.extend(message);
    }
    assert!(stream.starts_with(&encoded));
    let rest = &stream[encoded.len()..];
    let declared = rest
        .get(1..PREFIX)
        .map(|length| u32::from_be_bytes(length.try_into().unwrap()) as usize);
    if let Err(error) = end {
        assert_ne!(Status::from(error).code, Code::Ok);
    }
    match end {
        Ok(()) => assert!(rest.is_empty()),
        Err(FramingError::Compressed) => assert_eq!(rest[0], 1),
        Err(FramingError::Flags(flags)) => assert!(flags > 1 && rest[0] == flags),
        Err(FramingError::TooLong { length, limit }) => {
            assert_eq!((Some(length), limit), (declared, LIMIT));
            assert!(length > LIMIT);
        }
        Err(FramingError::Truncated { missing }) => match declared {
            None => assert_eq!(missing, PREFIX - rest.len()),
            Some(length) => {
                assert!(length <= LIMIT, "what is refused is not waited for");
                assert_eq!(missing, PREFIX + length - rest.len());
            }
        },
    }
}

/// The messages, and whether the stream may end where it does.
fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, Result<(), FramingError>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut messages = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match decoder.decode(&mut chunk) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(
            chunk.is_empty(),
            "a decoder that wants more has taken everything"
        );
    }
    (messages, decoder.finish())
}
