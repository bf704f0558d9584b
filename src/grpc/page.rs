//! What those who do not speak gRPC are told, if anything.
//!
//! Owns the plain answer of HTTP. It never looks at a request.

use bytes::Bytes;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

/// Answers with 200 and a text. h2 holds it back where the window is too small, and it costs nothing to
/// hold: all answers share the one text.
pub(super) fn send(mut respond: SendResponse<Bytes>, text: &'static str) {
    let mut head = Response::new(());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    head.headers_mut().insert(CONTENT_TYPE, plain);
    // An answer that cannot be written has nobody to read it.
    if let Ok(mut stream) = respond.send_response(head, false) {
        let _ = stream.send_data(Bytes::from_static(text.as_bytes()), true);
    }
}
