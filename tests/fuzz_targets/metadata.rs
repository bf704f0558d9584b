//! `-bin` metadata and content types.

use http::HeaderValue;
use process_wrapper::grpc::rules::metadata::{decode_binary, encode_binary, is_grpc};

/// Binary values survive the wire, alone and joined by commas; whatever a peer sends is read or
/// refused, and what is read means the same when it is written again.
pub fn run(data: &[u8]) {
    let encoded = encode_binary(data);
    assert!(
        !encoded.as_bytes().contains(&b'='),
        "written without padding"
    );
    assert_eq!(decode_binary(&encoded).unwrap(), [data]);
    let twice = [encoded.as_bytes(), encoded.as_bytes()].join(&b',');
    let twice = HeaderValue::from_bytes(&twice).unwrap();
    assert_eq!(decode_binary(&twice).unwrap(), [data, data]);

    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    if let Ok(values) = decode_binary(&value) {
        assert_eq!(values.len(), data.split(|byte| *byte == b',').count());
        for (read, part) in values.iter().zip(data.split(|byte| *byte == b',')) {
            let written = encode_binary(read);
            let part = String::from_utf8_lossy(part);
            let sent = part.trim().trim_end_matches('=');
            assert_eq!(written.to_str().unwrap(), sent);
        }
    }
    if is_grpc(&value) {
        assert!(
            data.to_ascii_lowercase()
                .trim_ascii_start()
                .starts_with(b"application/grpc")
        );
    }
}
