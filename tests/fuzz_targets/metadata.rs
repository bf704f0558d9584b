//! Content types.

use http::HeaderValue;
use process_wrapper::grpc::rules::metadata::is_grpc;

/// A value that is accepted begins with the content type of gRPC.
pub fn run(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    if is_grpc(&value) {
        assert!(
            data.to_ascii_lowercase()
                .trim_ascii_start()
                .starts_with(b"application/grpc")
        );
    }
}
