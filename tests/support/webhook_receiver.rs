//! A receiver of webhooks on a port of its own, with a script for each connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::DEADLINE;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// The reaction of a receiver to one connection.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Sends these bytes and closes.
    Says(String),
    /// Reads the request and says nothing until the test ends.
    Stalls,
    /// Sends these bytes and stalls.
    SaysAndStalls(String),
    /// Closes without an answer, so that the peer sees a reset.
    Resets,
    /// Sends the answer byte by byte, with this pause before each.
    Slowly(String, Duration),
    /// Sends a good head and then a body without an end.
    Endless,
    /// Sends header lines without an end.
    EndlessHead,
    /// Sends informational answers, each of them whole, without an end.
    EndlessHints,
}

pub fn status(line: &str) -> Answer {
    Answer::Says(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"))
}

pub fn ok() -> Answer {
    status("200 OK")
}

/// A receiver. Its answers are used up in order; the last one stays.
pub struct Receiver {
    pub address: SocketAddr,
    requests: Queue<Request>,
}

/// A byte stream: a socket, or TLS over one.
pub trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// Turns an accepted socket into the byte stream.
pub type Wrap = Arc<dyn Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync>;

impl Receiver {
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(answers, Arc::new(|socket| Some(Box::new(socket))))
    }

    pub fn start_with(answers: impl IntoIterator<Item = Answer>, wrap: Wrap) -> Self {
        Self::start_on("127.0.0.1:0", answers, wrap)
    }

    pub fn start_on(address: &str, answers: impl IntoIterator<Item = Answer>, wrap: Wrap) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let mut answers: Vec<Answer> = answers.into_iter().collect();
        answers.reverse();
        let answers = Arc::new(Mutex::new(answers));
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (answers, sender, wrap) = (answers.clone(), sender.clone(), wrap.clone());
                // A stalled connection must not keep the next one waiting.
                std::thread::spawn(move || serve(socket.unwrap(), &wrap, &answers, &sender));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request.
    pub fn request(&self) -> Request {
        self.requests
            .recv_timeout(DEADLINE)
            .expect("no request came")
    }

    /// All further requests so far.
    pub fn more(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn serve(socket: TcpStream, wrap: &Wrap, answers: &Mutex<Vec<Answer>>, requests: &Sender<Request>) {
    let raw = socket.try_clone().unwrap();
    let Some(mut wire) = wrap(socket) else { return };
    let Some(request) = read_request(&mut *wire) else {
        return;
    };
    let answer = {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0].clone()
        }
    };
    // The test may have ended.
    let _ = requests.send(request);
    match answer {
        Answer::Says(text) => {
            let _ = wire.write_all(text.as_bytes());
            let _ = wire.flush();
        }
        Answer::SaysAndStalls(text) => {
            let _ = wire.write_all(text.as_bytes());
            let _ = wire.read(&mut [0; 1]);
        }
        Answer::Stalls => {
            // Until the peer gives up.
            let _ = wire.read(&mut [0; 1]);
        }
        Answer::Resets => {
            rustix::net::sockopt::set_socket_linger(&raw, Some(Duration::ZERO)).unwrap();
        }
        Answer::Slowly(text, pause) => {
            for byte in text.bytes() {
                std::thread::sleep(pause);
                if wire.write_all(&[byte]).is_err() {
                    break;
                }
            }
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            let mut written = wire.write_all(head.as_bytes());
            while written.is_ok() {
                written = wire.write_all(chunk.as_bytes());
            }
        }
        Answer::EndlessHints => {
            let hints = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
            while wire.write_all(hints.as_bytes()).is_ok() {}
        }
        Answer::EndlessHead => {
            let mut written = wire.write_all(b"HTTP/1.1 200 OK\r\n");
            while written.is_ok() {
                written = wire.write_all(b"x-more: and more and more and more and more\r\n");
            }
        }
    }
}

/// Reads one request; `None` if the peer left before it was complete.
pub fn read_request(wire: &mut dyn Wire) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        take(wire, &mut bytes)?;
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers: BTreeMap::new(),
        body: String::new(),
    };
    assert_eq!(first.next(), Some("HTTP/1.1"));
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name = name.to_ascii_lowercase();
        let old = request.headers.insert(name, value.trim().to_owned());
        assert_eq!(old, None, "a header came twice: {text}");
    }
    let length = request.headers.get("content-length");
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + length {
        take(wire, &mut bytes)?;
    }
    request.body = String::from_utf8(bytes[head..].to_vec()).unwrap();
    Some(request)
}

fn take(wire: &mut dyn Wire, bytes: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    match wire.read(&mut chunk) {
        Ok(0) | Err(_) => None,
        Ok(read) => {
            bytes.extend_from_slice(&chunk[..read]);
            Some(())
        }
    }
}
