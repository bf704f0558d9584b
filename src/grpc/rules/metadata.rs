//! Values of metadata: binary ones, and the content type.
//!
//! Owns the encoding of `-bin` values and the rule for `content-type`. It never decides what becomes
//! of a request; that is `head`.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use http::{HeaderName, HeaderValue};

/// The compression of a message; we know `identity` only.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Which compressions we would have taken.
pub const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The content type of everything that we send.
pub const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Takes values with and without padding and writes without, as PROTOCOL-HTTP2 asks.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of a `-bin` header, without padding.
#[must_use]
pub fn encode_binary(value: &[u8]) -> HeaderValue {
    // The alphabet of base64 is within that of header values; the fallback is never taken.
    HeaderValue::from_str(&BASE64.encode(value)).unwrap_or(HeaderValue::from_static(""))
}

/// The values in a `-bin` header, padded or not. An intermediary may have joined several with commas.
///
/// # Errors
///
/// One of them is not base64.
pub fn decode_binary(value: &HeaderValue) -> Result<Vec<Vec<u8>>, DecodeError> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(|part| BASE64.decode(part.trim_ascii()))
        .collect()
}

/// Whether this is gRPC with protobuf: `application/grpc` or `application/grpc+proto`, with or without
/// parameters. Types are compared without case (RFC 9110, section 8.3.1).
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

    #[test]
    fn binary_values_are_taken_padded_and_unpadded_and_split_on_commas() {
        for (value, expected) in [
            ("", vec![&b""[..]]),
            ("q6ur", vec![&[0xab; 3][..]]),
            ("YQ==", vec![b"a"]),
            ("YQ", vec![b"a"]),
            ("YWI=,YWI", vec![b"ab", b"ab"]),
            ("YQ , YQ==", vec![b"a", b"a"]),
            ("+/+/", vec![&[0xfb, 0xff, 0xbf]]),
        ] {
            assert_eq!(
                decode_binary(&HeaderValue::from_static(value)).unwrap(),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for value in ["Y", "YQ===", "Y Q", "-_-_", "YQ==,!"] {
            let result = decode_binary(&HeaderValue::from_static(value));
            assert!(result.is_err(), "{value}: {result:?}");
        }
    }

    #[test]
    fn binary_values_are_written_without_padding() {
        assert_eq!(encode_binary(b""), "");
        assert_eq!(encode_binary(b"a"), "YQ");
        assert_eq!(encode_binary(&[0xab; 3]), "q6ur");
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_binary(&encode_binary(&all)).unwrap(), [all]);
    }
}
