//! Peers that speak another protocol than the port: what they read, and what the log says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::support::client::GET_STATE;
use crate::support::http2::*;
use crate::support::http2_peer::Peer;
use crate::support::{self, DEADLINE, DRAINS, Wrapper};

/// Sends bytes to a TCP port and reads to the end of the connection.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // The wrapper closes it first, or it would wait for this.
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// A wrapper with one more listener; the address of that, and the wrapper.
fn start(option: &str, line: &str) -> (String, Wrapper) {
    let wrapper = support::start_ready(&[option, "tcp://127.0.0.1:0"], DRAINS);
    let line = wrapper.stderr.wait_for(line);
    let address = line.split("127.0.0.1:").nth(1).unwrap();
    let end = address.find(|c: char| !c.is_ascii_digit());
    let port = &address[..end.unwrap_or(address.len())];
    (format!("127.0.0.1:{port}"), wrapper)
}

#[test]
fn other_protocols_on_the_port_are_named_with_advice() {
    let (address, wrapper) = start("--listen", "tcp://127.0.0.1:");
    let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
    for (bytes, came, advice, answered) in [
        (
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            "HTTP/1.1",
            "use a gRPC client",
            true,
        ),
        (long.as_bytes(), "HTTP/1.1", "use a gRPC client", true),
        (
            b"POST /a HTTP/1.1\r\nContent-Type: application/grpc-web\r\n\r\n",
            "gRPC-Web",
            "translates gRPC-Web",
            true,
        ),
        (b"\x16\x03\x01\x02\0\x01", "TLS", "--tls-cert", true),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nPRI * HTTP/2.0",
            "PROXY",
            "send-proxy",
            false,
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
            "PROXY",
            "send-proxy",
            false,
        ),
    ] {
        let answer = exchange(&address, bytes);
        let text = String::from_utf8(answer).unwrap();
        let over_http1 = answered && came != "TLS";
        assert_eq!(
            text.starts_with("HTTP/1.1 505 "),
            over_http1,
            "{came}: {text}"
        );
        assert_eq!(text.contains(advice), answered, "{came}: {text}");
        let line = wrapper.stderr.wait_for(advice);
        assert!(
            line.contains("INFO") && line.contains("wrong protocol"),
            "{line}"
        );
        assert!(line.contains(came), "{line}");
    }
    // A client that speaks gRPC is served as before.
    let answer = Peer::connect(&wrapper).call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
}

#[cfg(feature = "monitor")]
#[test]
fn http2_on_the_port_of_the_pages_is_told_so() {
    let (address, wrapper) = start("--http-listen", "listening for HTTP");
    let answer = exchange(&address, PREFACE_AND_SETTINGS);
    assert_eq!(answer[3], SETTINGS);
    assert_eq!(answer[9 + 3], GOAWAY);
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("the gRPC API is on --listen"), "{text}");
    let line = wrapper.stderr.wait_for("wrong protocol");
    assert!(line.contains("HTTP/2 without TLS"), "{line}");
    let page = exchange(
        &address,
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    );
    assert!(
        page.starts_with(b"HTTP/1.1 200 "),
        "{}",
        page.escape_ascii()
    );
}

#[test]
fn a_flood_of_other_protocols_writes_few_lines() {
    let (address, wrapper) = start("--listen", "tcp://127.0.0.1:");
    for _ in 0..60 {
        exchange(&address, b"GET / HTTP/1.1\r\n\r\n");
    }
    let count = || wrapper.stderr.text().matches("wrong protocol").count();
    support::eventually("the burst of lines", || count() >= 20);
    assert!(count() < 50, "{}", count());
}

#[test]
fn a_malformed_request_over_tcp_leaves_its_reason_at_debug() {
    let options = ["--log-level=debug", "--listen", "tcp://127.0.0.1:0"];
    let wrapper = support::start_ready(&options, DRAINS);
    let line = wrapper.stderr.wait_for("tcp://127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).unwrap().trim();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(PREFACE_AND_SETTINGS).unwrap();
    let head = Head::of(GET_STATE);
    for (stream_id, head, reason) in [
        (
            1,
            head.clone().with(":authority", "tmp%2Fa.sock:"),
            "malformed authority",
        ),
        (3, head.clone().without(":scheme"), "missing scheme"),
        (5, head.clone().with(":path", "a b"), "malformed path"),
        (
            7,
            head.clone().with("content-length", "x"),
            "could not parse content-length",
        ),
        (9, head.clone().with("te", "gzip"), "malformed header block"),
    ] {
        stream
            .write_all(&head.frame(stream_id, END_STREAM))
            .unwrap();
        wrapper.stderr.wait_for(reason);
    }
    assert!(
        !wrapper.stderr.text().contains("received frame="),
        "{}",
        wrapper.stderr.text()
    );
    // At info, nothing of it.
    let quiet = support::start_ready(&[], DRAINS);
    let mut peer = Peer::connect(&quiet);
    peer.call(&Head::of(GET_STATE).with("te", "gzip"), &[]);
    assert!(
        !quiet.stderr.text().contains("h2::"),
        "{}",
        quiet.stderr.text()
    );
}
