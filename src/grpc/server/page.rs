//! Plain HTTP answers, for the test suite of HTTP/2 servers.
//!
//! Owns the pages of a router. It never parses a request.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::grpc::rules::head::Rejection;
use crate::grpc::server::router::Router;

impl Router {
    /// Answers requests at `path` that are not gRPC with `text`, to every peer that may connect.
    pub fn page(&mut self, path: &'static str, text: &'static str) {
        self.pages.insert(path, text);
    }

    /// The text for a request that was rejected.
    pub(super) fn find_page(&self, rejection: &Rejection, path: &str) -> Option<&'static str> {
        match rejection {
            Rejection::Method | Rejection::ContentType => self.pages.get(path).copied(),
            Rejection::Te
            | Rejection::Timeout(_)
            | Rejection::Repeated(_)
            | Rejection::Encoding => None,
        }
    }
}

/// Answers with 200 and a text after the end of the request: an earlier answer would reset the
/// stream. All answers share the text, so the memory budget does not count it.
pub(super) async fn send(
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
    text: &'static str,
) {
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return };
        let _ = body.flow_control().release_capacity(data.len());
    }
    let mut head = Response::new(());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    head.headers_mut().insert(CONTENT_TYPE, plain);
    if let Ok(mut stream) = respond.send_response(head, false) {
        let _ = stream.send_data(Bytes::from_static(text.as_bytes()), true);
    }
}
