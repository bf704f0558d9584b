//! The headers of gRPC.
//!
//! Owns their names and the rule for `content-type`. It never decides about a request; that is
//! `head`.

use http::{HeaderName, HeaderValue};

/// The compression of the messages; only `identity` is supported.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The compressions that an answer would accept.
pub const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The content type of every message that we send.
pub const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Whether this is gRPC with protobuf: `application/grpc` or `application/grpc+proto`, with any
/// parameters. Case does not count (RFC 9110, section 8.3.1).
#[must_use]
pub fn is_grpc(content_type: &HeaderValue) -> bool {
    let essence = content_type
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    essence.eq_ignore_ascii_case(b"application/grpc")
        || essence.eq_ignore_ascii_case(b"application/grpc+proto")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_with_protobuf_is_grpc() {
        for (value, accepted) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc ;x", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/grpc+proto2", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(
                is_grpc(&HeaderValue::from_static(value)),
                accepted,
                "{value}"
            );
        }
    }
}
