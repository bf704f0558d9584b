//! The status of an HTTP/1 response, as far as a probe needs it.
//!
//! Owns the judgement of the first bytes. It never reads from a connection.

/// The bytes of a status line up to the one after the status code, RFC 9112 section 4. `#` stands
/// for any digit.
const SUCCESS: &[u8; 12] = b"HTTP/1.# 2##";

/// How many bytes decide.
pub const DECIDING_BYTES: usize = SUCCESS.len() + 1;

/// Whether a response that begins with these bytes reports success, a status from 200 to 299;
/// `None` as long as it may.
pub fn is_success(received: &[u8]) -> Option<bool> {
    let matches = received
        .iter()
        .zip(SUCCESS)
        .all(|(byte, expected)| match expected {
            b'#' => byte.is_ascii_digit(),
            _ => byte == expected,
        });
    match received.get(SUCCESS.len()) {
        _ if !matches => Some(false),
        // Some servers omit the space before an empty reason phrase.
        Some(byte) => Some(matches!(byte, b' ' | b'\r' | b'\n')),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_from_200_to_299_is_success() {
        for (response, success) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.0 204 No Content\r\n", true),
            ("HTTP/1.1 299\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n", false),
            ("HTTP/1.1 100 Continue\r\n", false),
            ("HTTP/1.1 2000 OK\r\n", false),
            ("HTTP/1.1 20x OK\r\n", false),
            ("HTTP/2.0 200 OK\r\n", false),
            ("SSH-2.0-OpenSSH_9.2", false),
            ("\u{15}\u{3}\u{1}", false),
        ] {
            assert_eq!(is_success(response.as_bytes()), Some(success), "{response}");
        }
    }

    #[test]
    fn a_part_of_a_status_line_decides_only_against_it() {
        let response = b"HTTP/1.1 200 OK\r\n";
        for end in 0..DECIDING_BYTES {
            assert_eq!(is_success(&response[..end]), None, "{end} bytes");
        }
        assert_eq!(is_success(&response[..DECIDING_BYTES]), Some(true));
        assert_eq!(is_success(b"HTTP/1.1 5"), Some(false));
    }
}
