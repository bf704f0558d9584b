//! What those who do not speak gRPC are told, if anything.
//!
//! Owns the plain answer of HTTP. It never looks into a request.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

/// Answers with 200 and a text, once the request has come to its end: an earlier answer would reset the
/// stream, which clients that do not speak gRPC need not expect. h2 holds the answer back where the window is
/// too small, and it costs nothing to hold: all answers share the one text.
pub(super) async fn send(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    text: &'static str,
) {
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        // It fails for a stream that has ended, which the next turn finds out.
        let _ = body.flow_control().release_capacity(data.len());
    }
    let mut head = Response::new(());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    head.headers_mut().insert(CONTENT_TYPE, plain);
    // An answer that cannot be written has nobody to read it.
    if let Ok(mut stream) = respond.send_response(head, false) {
        let _ = stream.send_data(Bytes::from_static(text.as_bytes()), true);
    }
}
