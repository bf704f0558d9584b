//! Status codes and how a status travels in trailers.
//!
//! Owns `grpc-status` and `grpc-message`, and the mappings from HTTP statuses and HTTP/2 error
//! codes. It never sends anything.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

pub use super::code::Code;

/// The longest `grpc-message` that we send, in encoded bytes. A longer one might exceed the peer's
/// limit of headers, and the call would end without its status.
pub const MAX_MESSAGE: usize = 1024;

/// The trailer with the decimal status code.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The trailer with the percent-encoded message.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// PROTOCOL-HTTP2 leaves 0x20 to 0x7E as they are, but for `%`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The value of `grpc-status` for a code.
#[must_use]
pub const fn digits(code: Code) -> &'static str {
    const DIGITS: [&str; 17] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    ];
    DIGITS[code as usize]
}

/// The code of a `grpc-status`; else `Unknown`, as the status code document says.
#[must_use]
pub fn code_from_digits(value: &[u8]) -> Code {
    Code::ALL
        .into_iter()
        .find(|code| digits(*code).as_bytes() == value)
        .unwrap_or(Code::Unknown)
}

/// The code for an HTTP status without a `grpc-status` (http-grpc-status-mapping).
#[must_use]
pub const fn code_from_http_status(status: u16) -> Code {
    match status {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The code for a stream reset with this HTTP/2 error code (PROTOCOL-HTTP2, "Errors").
#[must_use]
pub const fn code_from_reset(error_code: u32) -> Code {
    match error_code {
        // NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT,
        // FRAME_SIZE_ERROR, COMPRESSION_ERROR, CONNECT_ERROR
        0x0..=0x4 | 0x6 | 0x9 | 0xa => Code::Internal,
        // REFUSED_STREAM: nothing ran, so a retry is safe.
        0x7 => Code::Unavailable,
        // CANCEL
        0x8 => Code::Cancelled,
        // ENHANCE_YOUR_CALM
        0xb => Code::ResourceExhausted,
        // INADEQUATE_SECURITY
        0xc => Code::PermissionDenied,
        // STREAM_CLOSED, HTTP_1_1_REQUIRED, and codes after RFC 9113.
        _ => Code::Unknown,
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Status {
    /// The kind of end, for programs.
    pub code: Code,
    /// What happened and what to do, for people. Truncated to `MAX_MESSAGE` on the wire.
    pub message: String,
}

impl Status {
    /// A status with a message.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Success.
    #[must_use]
    pub const fn ok() -> Self {
        Self {
            code: Code::Ok,
            message: String::new(),
        }
    }

    /// The request is wrong in every state of the server.
    #[must_use]
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// The method does not exist, or not in this form.
    #[must_use]
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// A broken invariant or a broken message.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// Sets `grpc-status`, and sets or removes `grpc-message`.
    pub fn write_to(&self, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, HeaderValue::from_static(digits(self.code)));
        trailers.remove(GRPC_MESSAGE);
        if !self.message.is_empty()
            && let Ok(value) = HeaderValue::from_str(&encode_message(&self.message))
        {
            trailers.insert(GRPC_MESSAGE, value);
        }
    }

    /// The status in trailers; `None` if they have no `grpc-status`.
    #[must_use]
    pub fn read_from(trailers: &HeaderMap) -> Option<Self> {
        let code = code_from_digits(trailers.get(GRPC_STATUS)?.as_bytes());
        let message = trailers
            .get(GRPC_MESSAGE)
            .map_or_else(String::new, |value| decode_message(value.as_bytes()));
        Some(Self { code, message })
    }
}

/// Percent-encodes a message, truncated to [`MAX_MESSAGE`] between two characters.
#[must_use]
pub fn encode_message(message: &str) -> String {
    let mut encoded = String::new();
    for character in message.chars() {
        let before = encoded.len();
        encoded.extend(utf8_percent_encode(
            character.encode_utf8(&mut [0; 4]),
            ENCODED,
        ));
        if encoded.len() > MAX_MESSAGE {
            encoded.truncate(before);
            break;
        }
    }
    encoded
}

/// Undoes [`encode_message`]. A malformed escape stays as it is: a status must survive
/// its message.
#[must_use]
pub fn decode_message(value: &[u8]) -> String {
    percent_decode(value).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_at_its_number_and_survives_the_wire() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(digits(code), number.to_string());
            assert_eq!(code_from_digits(digits(code).as_bytes()), code);
        }
    }

    #[test]
    fn other_digits_are_the_code_unknown() {
        for value in [
            "",
            "17",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "x",
            "99999999999",
        ] {
            assert_eq!(
                code_from_digits(value.as_bytes()),
                Code::Unknown,
                "{value:?}"
            );
        }
    }

    #[test]
    fn http_statuses_map_as_the_document_says() {
        for (status, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (415, Code::Unknown),
            (500, Code::Unknown),
        ] {
            assert_eq!(code_from_http_status(status), code, "{status}");
        }
    }

    #[test]
    fn reset_codes_map_as_the_document_says() {
        for (reset, code) in [
            (0x0, Code::Internal),
            (0x1, Code::Internal),
            (0x2, Code::Internal),
            (0x3, Code::Internal),
            (0x4, Code::Internal),
            (0x5, Code::Unknown),
            (0x6, Code::Internal),
            (0x7, Code::Unavailable),
            (0x8, Code::Cancelled),
            (0x9, Code::Internal),
            (0xa, Code::Internal),
            (0xb, Code::ResourceExhausted),
            (0xc, Code::PermissionDenied),
            (0xd, Code::Unknown),
            (0xffff, Code::Unknown),
        ] {
            assert_eq!(code_from_reset(reset), code, "{reset:#x}");
        }
    }

    #[test]
    fn control_characters_non_ascii_and_percent_signs_are_encoded() {
        for (message, encoded) in [
            ("", ""),
            (" plain ~text!", " plain ~text!"),
            ("100%", "100%25"),
            ("a\tb\r\nc", "a%09b%0D%0Ac"),
            ("\u{7f}", "%7F"),
            ("ö☃", "%C3%B6%E2%98%83"),
            ("%41", "%2541"),
        ] {
            assert_eq!(encode_message(message), encoded);
            assert_eq!(decode_message(encoded.as_bytes()), message);
        }
    }

    #[test]
    fn malformed_escapes_stay_as_they_are() {
        for (value, message) in [
            (&b"%"[..], "%"),
            (b"%4", "%4"),
            (b"%zz", "%zz"),
            (b"%41%", "A%"),
            (b"%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode_message(value), message);
        }
    }

    #[test]
    fn a_long_message_is_truncated_between_characters() {
        assert_eq!(encode_message(&"a".repeat(MAX_MESSAGE)).len(), MAX_MESSAGE);
        assert_eq!(
            encode_message(&"a".repeat(MAX_MESSAGE + 1)).len(),
            MAX_MESSAGE
        );
        // Nine encoded bytes each: 113 of them fit, in 1017 bytes.
        let snow = encode_message(&"☃".repeat(500));
        assert_eq!(snow.len(), 1017);
        assert_eq!(decode_message(snow.as_bytes()), "☃".repeat(113));
    }

    #[test]
    fn a_status_survives_the_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        trailers.insert(GRPC_MESSAGE, HeaderValue::from_static("forged"));
        let status = Status::new(Code::NotFound, "no job ☃");
        status.write_to(&mut trailers);
        assert_eq!(trailers[GRPC_STATUS], "5");
        assert_eq!(trailers[GRPC_MESSAGE], "no job %E2%98%83");
        assert_eq!(Status::read_from(&trailers), Some(status));

        Status::ok().write_to(&mut trailers);
        assert_eq!(trailers.get(GRPC_MESSAGE), None);
        assert_eq!(Status::read_from(&trailers), Some(Status::ok()));
        assert_eq!(Status::read_from(&HeaderMap::new()), None);
    }
}
