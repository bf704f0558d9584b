//! `grpc-status` and `grpc-message`.

use http::{HeaderMap, HeaderValue};
use process_wrapper::grpc::rules::status::{
    Code, GRPC_MESSAGE, GRPC_STATUS, MAX_MESSAGE, Status, code_from_http_status, code_from_reset,
    decode_message, digits, encode_message,
};

use super::cursor::Cursor;

/// A status survives the wire; a message is cut to its bound but never inside a character; and
/// whatever a peer sends is read as some status.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let code = Code::ALL[usize::from(cursor.byte()) % Code::ALL.len()];
    let sent = cursor.short();
    let repeat = usize::from(cursor.byte());
    let text = cursor.rest();

    assert_eq!(
        Code::ALL
            .iter()
            .filter(|other| other.name() == code.name())
            .count(),
        1,
        "no two codes have one name"
    );

    // Long enough to be cut, with few bytes of input.
    let message = String::from_utf8_lossy(text).repeat(1 + repeat);
    let encoded = encode_message(&message);
    assert!(encoded.len() <= MAX_MESSAGE);
    assert!(encoded.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let decoded = decode_message(encoded.as_bytes());
    assert!(message.starts_with(&decoded));
    if decoded != message {
        let next = message[decoded.len()..].chars().next().unwrap();
        let one_more = encode_message(next.encode_utf8(&mut [0; 4])).len();
        assert!(encoded.len() + one_more > MAX_MESSAGE, "cut too early");
    }

    let mut trailers = HeaderMap::new();
    Status::new(code, message).write_to(&mut trailers);
    assert_eq!(
        Status::read_from(&trailers),
        Some(Status::new(code, decoded))
    );

    // What a peer may send.
    let mut trailers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(sent) {
        trailers.insert(GRPC_STATUS, value);
    }
    if let Ok(value) = HeaderValue::from_bytes(text) {
        trailers.insert(GRPC_MESSAGE, value);
    }
    let read = Status::read_from(&trailers);
    assert_eq!(read.is_some(), trailers.contains_key(GRPC_STATUS));
    if let Some(read) = read {
        assert!(read.code == Code::Unknown || digits(read.code).as_bytes() == sent);
        if !text.contains(&b'%') && text.is_ascii() && trailers.contains_key(GRPC_MESSAGE) {
            assert_eq!(
                read.message.as_bytes(),
                text,
                "what is not encoded stays as it is"
            );
        }
    }
    let number = Cursor::new(data).u32();
    let http = code_from_http_status((number % 1000) as u16);
    assert_ne!(http, Code::Ok, "no HTTP status makes a call succeed");
    assert_ne!(
        code_from_reset(number),
        Code::Ok,
        "no reset makes a call succeed"
    );
}
