//! One webhook receiver for all rounds, which fails deliveries before it accepts them.
//!
//! Owns the outcome of each attempt: the path of a URL spells the answers, one letter for each
//! attempt. It remembers every request and never judges.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::webhook_receiver::read_request;

/// One attempt as it came.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) body: serde_json::Value,
    /// Whether the receiver has said that it has it.
    pub(crate) taken: bool,
}

/// The receiver, and the attempts so far.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    attempts: Arc<Mutex<HashMap<String, Vec<Attempt>>>>,
}

/// How the receiver answers the attempts of a webhook: up to two times badly, then it takes it.
pub(crate) fn any_answers(rng: &mut fastrand::Rng) -> String {
    let bad = ['r', 'c', '5', 'a', 'd', 'h', 'u'];
    let times = [0, 0, 1, 2][rng.usize(..4)];
    let answers = std::iter::repeat_with(|| bad[rng.usize(..bad.len())]).take(times);
    let mut answers: String = answers.collect();
    // A stall costs the ten seconds of an attempt: few of them, and nothing else with them.
    if rng.u8(..40) == 0 {
        answers = "s".to_owned();
    }
    answers + "o"
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            attempts: Arc::default(),
        };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let receiver = serving.clone();
                // A connection that breaks off is no failure of the receiver.
                std::thread::spawn(move || receiver.serve(socket));
            }
        });
        receiver
    }

    /// The attempts at a path, in order.
    pub(crate) fn attempts(&self, path: &str) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap();
        attempts.get(path).cloned().unwrap_or_default()
    }

    fn serve(&self, mut socket: TcpStream) -> Option<()> {
        let request = read_request(&mut socket)?;
        let (path, body) = (request.target.clone(), request.json());
        let answers = path.rsplit('/').next()?;
        let mut attempts = self.attempts.lock().unwrap();
        let attempts_here = attempts.entry(path.clone()).or_default();
        let answer = answers.chars().nth(attempts_here.len()).unwrap_or('o');
        attempts_here.push(Attempt {
            body,
            taken: answer == 'o',
        });
        drop(attempts);
        let text = match answer {
            'o' => "HTTP/1.1 204 No Content\r\n\r\n",
            '5' => "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
            // An unregistered status.
            'u' => "HTTP/1.1 520 Unknown Error\r\n\r\n",
            'a' => "HTTP/1.1 429 Slow down\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nlate",
            // A head that is cut off.
            'h' => "HTTP/1.1 200 OK\r\nconte",
            'd' => {
                // Late, but within the deadline.
                std::thread::sleep(Duration::from_millis(300));
                "HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n"
            }
            'r' => {
                let now = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(&socket, now).unwrap();
                ""
            }
            's' => {
                // Until the wrapper has had enough.
                let _ = socket.read(&mut [0; 1]);
                ""
            }
            _ => "",
        };
        socket.write_all(text.as_bytes()).ok()
    }
}
