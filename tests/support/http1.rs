//! What a scraper asks the listener of `--http-listen`.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Wrapper;

/// Where the wrapper listens for HTTP, as HOST:PORT.
pub fn address(wrapper: &Wrapper) -> String {
    let line = wrapper.stderr.wait_for("listening for HTTP");
    let address = line.split("address=tcp://").nth(1).unwrap();
    address.split_whitespace().next().unwrap().to_owned()
}

/// Sends a request, and returns all that comes back.
pub fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(super::DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The metrics, after the head of the response.
pub fn metrics(wrapper: &Wrapper) -> String {
    exchange(&address(wrapper), "GET /metrics HTTP/1.0\r\n\r\n")
}
