//! The protocol that a peer speaks, by its first bytes.
//!
//! Owns the signatures of protocols that reach a port by mistake, the advice for each, and the
//! answer that its peer can read. It performs no I/O.

use std::fmt;

/// Bytes of a connection that decide: enough for the headers of a browser's request.
pub const ENOUGH: usize = 2048;

/// What a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The preface of RFC 9113, section 3.4.
    Http2,
    /// A request line of HTTP/1.x (RFC 9112, section 3).
    Http1,
    /// gRPC-Web in HTTP/1.1, as browsers and their proxies send it.
    GrpcWeb,
    /// A handshake record (RFC 8446, section 5.1).
    Tls,
    /// The header that haproxy defines, as text or binary.
    Proxy,
}

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// gRPC without TLS.
    Grpc,
    /// gRPC over TLS.
    GrpcOverTls,
    /// The pages of `--http-listen`.
    Pages,
}

const SIGNATURES: &[(&[u8], Protocol)] = &[
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::Http2),
    (b"\x16\x03", Protocol::Tls),
    (b"PROXY ", Protocol::Proxy),
    (b"\r\n\r\n\0\r\nQUIT\n", Protocol::Proxy),
    (b"GET ", Protocol::Http1),
    (b"POST ", Protocol::Http1),
    (b"HEAD ", Protocol::Http1),
    (b"PUT ", Protocol::Http1),
    (b"DELETE ", Protocol::Http1),
    (b"OPTIONS ", Protocol::Http1),
    (b"PATCH ", Protocol::Http1),
    (b"CONNECT ", Protocol::Http1),
    (b"TRACE ", Protocol::Http1),
];

/// Error codes of RFC 9113, section 7.
const INADEQUATE_SECURITY: u8 = 0xc;
const HTTP_1_1_REQUIRED: u8 = 0xd;

const GRPC_WEB: &[u8] = b"content-type: application/grpc-web";

/// The protocol of a connection that begins with `bytes`; `None` while they fit none.
#[must_use]
pub fn classify(bytes: &[u8]) -> Option<Protocol> {
    let mut known = SIGNATURES.iter();
    let known = known.find(|(signature, _)| bytes.starts_with(signature));
    let protocol = match known {
        Some((_, protocol)) => protocol,
        None if is_request_line(bytes) => &Protocol::Http1,
        None => return None,
    };
    let mut windows = bytes.windows(GRPC_WEB.len());
    if *protocol == Protocol::Http1 && windows.any(|bytes| bytes.eq_ignore_ascii_case(GRPC_WEB)) {
        return Some(Protocol::GrpcWeb);
    }
    Some(*protocol)
}

/// Whether the first line is a request of HTTP/1.x with any other method, such as PROPFIND
/// (RFC 9112, section 3).
fn is_request_line(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    let line = bytes.get(..end).unwrap_or_default().trim_ascii_end();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let is_letter = |byte: &u8| byte.is_ascii_uppercase() || b"-_".contains(byte);
    let is_method = !method.is_empty() && method.iter().all(is_letter);
    let target = words.next().unwrap_or_default();
    let version = words.next().unwrap_or_default();
    is_method && !target.is_empty() && version.starts_with(b"HTTP/1.") && words.next().is_none()
}

/// What the operator or the peer's user does about it; `None`: the listener serves the protocol, or
/// refuses it by itself.
#[must_use]
pub const fn advice(served: Served, found: Protocol) -> Option<&'static str> {
    match (served, found) {
        (Served::Grpc, Protocol::Http2)
        | (Served::GrpcOverTls, Protocol::Tls)
        | (Served::Pages, Protocol::Http1 | Protocol::GrpcWeb) => None,
        (Served::Grpc, Protocol::Http1) => Some(
            "this port speaks gRPC over HTTP/2: use a gRPC client; pages over HTTP/1.1 are on \
             --http-listen",
        ),
        (Served::Grpc, Protocol::GrpcWeb) => Some(
            "this port speaks gRPC over HTTP/2: put a proxy before it that translates gRPC-Web",
        ),
        (Served::Grpc, Protocol::Tls) => Some(
            "this port has no TLS: connect without it, or give a TCP listener --tls-cert and \
             --tls-key",
        ),
        (Served::GrpcOverTls, Protocol::Http2 | Protocol::Http1 | Protocol::GrpcWeb) => {
            Some("this port speaks gRPC over TLS: connect with TLS")
        }
        (Served::Pages, Protocol::Http2) => {
            Some("this port has pages over HTTP/1.1: the gRPC API is on --listen")
        }
        (Served::Pages, Protocol::Tls) => {
            Some("this port has no TLS: use http:// without s, or a proxy that ends TLS before it")
        }
        (Served::Grpc | Served::GrpcOverTls | Served::Pages, Protocol::Proxy) => Some(
            "this port does not read the PROXY protocol: turn it off at the proxy (haproxy: \
             send-proxy, nginx: proxy_protocol)",
        ),
    }
}

/// The answer in the peer's protocol; empty where it has none that a user would read.
#[must_use]
pub fn answer(served: Served, found: Protocol, advice: &str) -> Vec<u8> {
    match found {
        Protocol::Http1 | Protocol::GrpcWeb => http1_answer(advice),
        Protocol::Http2 => {
            let error = match served {
                Served::Grpc | Served::GrpcOverTls => INADEQUATE_SECURITY,
                Served::Pages => HTTP_1_1_REQUIRED,
            };
            http2_answer(error, advice)
        }
        // No TLS record: a client of TLS then knows that the port speaks none.
        Protocol::Tls => match served {
            Served::Grpc | Served::GrpcOverTls => http2_answer(INADEQUATE_SECURITY, advice),
            Served::Pages => http1_answer(advice),
        },
        Protocol::Proxy => Vec::new(),
    }
}

/// 505: RFC 9110, section 15.6.6, asks for the protocols that are supported instead.
fn http1_answer(advice: &str) -> Vec<u8> {
    let length = advice.len() + 1;
    format!(
        "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{advice}\n"
    )
    .into_bytes()
}

/// Empty SETTINGS, and GOAWAY with `error` and `advice` as its debug data (RFC 9113, section 6.8).
fn http2_answer(error: u8, advice: &str) -> Vec<u8> {
    let length = u8::try_from(8 + advice.len()).unwrap_or(u8::MAX);
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    frames.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    frames.extend([0, 0, 0, 0, 0, 0, 0, error]);
    frames.extend(advice.bytes().take(usize::from(length) - 8));
    frames
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http2 => "HTTP/2 without TLS",
            Self::Http1 => "HTTP/1.1",
            Self::GrpcWeb => "gRPC-Web",
            Self::Tls => "TLS",
            Self::Proxy => "the PROXY protocol",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Protocol; 5] = [
        Protocol::Http2,
        Protocol::Http1,
        Protocol::GrpcWeb,
        Protocol::Tls,
        Protocol::Proxy,
    ];

    #[test]
    fn real_first_bytes_are_recognized() {
        for (bytes, protocol) in [
            (
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"[..],
                Some(Protocol::Http2),
            ),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Protocol::Http1)),
            (b"POST /a.B/C HTTP/1.1\r\n", Some(Protocol::Http1)),
            (
                b"POST /a.B/C HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\n\r\n",
                Some(Protocol::GrpcWeb),
            ),
            (
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
                Some(Protocol::Tls),
            ),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Some(Protocol::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Some(Protocol::Proxy)),
            (b"PROPFIND / HTTP/1.1\r\nHost: a\r\n", Some(Protocol::Http1)),
            (b"M-SEARCH * HTTP/1.0\n", Some(Protocol::Http1)),
            // Not yet, or never.
            (b"PROPFIND / HTTP/1.1", None),
            (b"PROPFIND / HTTP/2\r\n", None),
            (b"PROPFIND / x HTTP/1.1\r\n", None),
            (b" / HTTP/1.1\r\n", None),
            (b"", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (b"PR", None),
            (b"GET", None),
            (b"get / HTTP/1.1\r\n", None),
            (b"INVALID CONNECTION PREFACE\r\n\r\n", None),
            (b"SSH-2.0-OpenSSH_9.6\r\n", None),
            (b"\x16\x02", None),
        ] {
            assert_eq!(classify(bytes), protocol, "{:?}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_decision_never_changes_with_more_bytes_but_for_grpc_web() {
        let mut seed = 1_u64;
        for (signature, protocol) in SIGNATURES {
            for end in 0..=signature.len() {
                let begun = &signature[..end];
                let expected = (end == signature.len()).then_some(*protocol);
                assert_eq!(classify(begun), expected, "{:?}", begun.escape_ascii());
                for _ in 0..50 {
                    let mut bytes = begun.to_vec();
                    for _ in 0..40 {
                        seed ^= seed << 13;
                        seed ^= seed >> 7;
                        seed ^= seed << 17;
                        bytes.push(seed.to_le_bytes()[0]);
                    }
                    if let Some(protocol) = expected {
                        assert_eq!(classify(&bytes), Some(protocol));
                    } else if let Some(found) = classify(&bytes) {
                        // The random bytes completed a signature.
                        let fits = |(signature, protocol): &&(&[u8], Protocol)| {
                            *protocol == found && bytes.starts_with(signature)
                        };
                        assert!(SIGNATURES.iter().any(|known| fits(&known)));
                    }
                }
            }
        }
    }

    #[test]
    fn each_listener_serves_its_protocol_and_advises_about_others() {
        for served in [Served::Grpc, Served::GrpcOverTls, Served::Pages] {
            let wrong = ALL.into_iter().filter_map(|found| advice(served, found));
            assert!(wrong.clone().count() >= 3, "{served:?}");
            for advice in wrong {
                assert!(advice.starts_with("this port ") && advice.contains(':'));
                // The frame of http2_answer holds it.
                assert!(advice.len() < 247, "{advice}");
            }
        }
    }

    #[test]
    fn the_answer_over_http2_is_two_complete_frames() {
        let frames = http2_answer(HTTP_1_1_REQUIRED, "use that");
        assert_eq!(frames.len(), 9 + 9 + 8 + 8);
        assert_eq!((frames[3], frames[9 + 2], frames[9 + 3]), (4, 16, 7));
        assert!(frames.ends_with(b"\0\0\0\x0duse that"));
        let long = http2_answer(INADEQUATE_SECURITY, &"x".repeat(1000));
        assert_eq!(long.len(), 9 + 9 + usize::from(long[9 + 2]));
    }
}
