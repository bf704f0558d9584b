//! Clients and a child for the benchmarks. The clients speak raw HTTP/2 frames, so that they use
//! little processor time. All times are nanoseconds of `CLOCK_MONOTONIC`.
//!
//! - `probe child`: prints `ready`, then `quit NS` and `exit NS` on SIGQUIT.
//! - `probe first-call HOST:PORT COMMAND…`: starts the command, retries until a call is answered,
//!   prints the nanoseconds it took, and terminates the command.
//! - `probe events HOST:PORT`: waits for `gone` on one connection, triggers on another, and
//!   receives the webhook. Prints `triggered NS`, `answered NS`, `gone NS`, `webhook NS`.
//! - `probe hold HOST:PORT N`: opens N idle connections, prints `held`, stays until its input ends.
//! - `probe waiters HOST:PORT N`: opens N waiting calls, prints `waiting`, triggers when its input
//!   has a line. Prints `triggered NS`, `last NS`.
//! - `probe beside HOST:PORT N`: makes N calls, two milliseconds apart, and prints the
//!   nanoseconds of each.

use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, poll};

/// Below the server's limit of concurrent streams.
const STREAMS: u32 = 60;
const GET_STATE: &str = "/process_wrapper.v1.ProcessWrapper/GetState";
const SHUTDOWN: &str = "/process_wrapper.v1.ProcessWrapper/InitiateGracefulShutdown";
const WAIT_UNTIL_GONE: &[u8] = &[0, 0, 0, 0, 2, 8, 3];
const EMPTY: &[u8] = &[0, 0, 0, 0, 0];

fn now() -> i128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn preface() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(4, 0, 0, &[], &mut out);
    out
}

fn call(stream: u32, path: &str, message: &[u8], out: &mut Vec<u8>) {
    // POST, http, then literals without indexing (RFC 7541, section 6.2.2).
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend([0x01, 9]);
    block.extend(b"localhost");
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    block.extend([0x00, 2]);
    block.extend(b"te");
    block.push(8);
    block.extend(b"trailers");
    frame(1, 0x4, stream, &block, out);
    frame(0, 0x1, stream, message, out);
}

/// A connection and the number of its ended streams.
struct Peer {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    fn connect(address: &str) -> std::io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.write_all(&preface())?;
        Ok(Self {
            socket,
            buffer: Vec::new(),
        })
    }

    /// Reads once and counts the streams that ended.
    fn ended(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 65536];
        let length = self.socket.read(&mut chunk)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&chunk[..length]);
        let (mut at, mut ended) = (0, 0);
        while let Some(head) = self.buffer.get(at..at + 9) {
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags) = (head[3], head[4]);
            if self.buffer.len() < at + 9 + length {
                break;
            }
            at += 9 + length;
            match kind {
                1 if flags & 1 != 0 => ended += 1,
                4 if flags & 1 == 0 => {
                    let mut ack = Vec::new();
                    frame(4, 1, 0, &[], &mut ack);
                    self.socket.write_all(&ack)?;
                }
                3 => panic!("a stream was reset"),
                _ => {}
            }
        }
        self.buffer.drain(..at);
        Ok(ended)
    }

    fn wait_for(&mut self, mut streams: usize) {
        while streams > 0 {
            streams -= self.ended().expect("the server answers");
        }
    }

    fn send(&mut self, stream: u32, path: &str, message: &[u8]) {
        let mut out = Vec::new();
        call(stream, path, message, &mut out);
        self.socket.write_all(&out).expect("the server reads");
    }
}

fn child() {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(nix::sys::signal::Signal::SIGQUIT);
    set.thread_block().unwrap();
    say("ready");
    set.wait().unwrap();
    let quit = now();
    say(&format!("quit {quit}\nexit {}", now()));
}

fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").unwrap();
    stdout.flush().unwrap();
}

fn first_call(address: &str, command: &[&str]) {
    let before = now();
    let mut wrapper = std::process::Command::new(command[0])
        .args(&command[1..])
        .spawn()
        .expect("the command starts");
    let took = loop {
        if let Ok(mut peer) = Peer::connect(address) {
            let mut out = Vec::new();
            call(1, GET_STATE, EMPTY, &mut out);
            if peer.socket.write_all(&out).is_ok() {
                peer.wait_for(1);
                break now() - before;
            }
        }
        // Leave the processor to the wrapper.
        std::thread::sleep(std::time::Duration::from_micros(20));
    };
    say(&took.to_string());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(wrapper.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    wrapper.wait().unwrap();
}

fn events(address: &str) {
    let mut waiting = Peer::connect(address).unwrap();
    // Wait for one answer: the connection is warm, and the server has the next request.
    waiting.send(1, GET_STATE, EMPTY);
    waiting.wait_for(1);
    waiting.send(3, GET_STATE, WAIT_UNTIL_GONE);
    let mut asking = Peer::connect(address).unwrap();
    asking.send(1, GET_STATE, EMPTY);
    asking.wait_for(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let shutdown = shutdown_with_webhook(&listener.local_addr().unwrap().to_string());
    let webhook = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let length = socket.read(&mut [0; 4096]).unwrap();
        let received = now();
        assert!(length > 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(answer).unwrap();
        received
    });
    let triggered = now();
    asking.send(3, SHUTDOWN, &shutdown);
    asking.wait_for(1);
    let answered = now();
    waiting.wait_for(1);
    let gone = now();
    let webhook = webhook.join().unwrap();
    say(&format!(
        "triggered {triggered}\nanswered {answered}\ngone {gone}\nwebhook {webhook}"
    ));
}

/// `{ webhook: { url } }` with its gRPC prefix. Every length fits into one byte.
fn shutdown_with_webhook(authority: &str) -> Vec<u8> {
    let url = format!("http://{authority}/");
    let length = u8::try_from(url.len()).unwrap();
    let mut message = vec![0, 0, 0, 0, length + 4, 0x0a, length + 2, 0x0a, length];
    message.extend(url.bytes());
    message
}

fn hold(address: &str, count: usize) {
    let held: Vec<_> = (0..count)
        .map(|_| {
            let mut peer = Peer::connect(address).expect("a connection");
            peer.send(1, GET_STATE, EMPTY);
            peer.wait_for(1);
            peer
        })
        .collect();
    say("held");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(held);
}

fn waiters(address: &str, count: u32) {
    let mut left = count;
    let mut peers = Vec::new();
    while left > 0 {
        let mut peer = Peer::connect(address).expect("a connection");
        let here = left.min(STREAMS);
        let mut out = Vec::new();
        for nth in 0..here {
            call(2 * nth + 1, GET_STATE, WAIT_UNTIL_GONE, &mut out);
        }
        // The last call is answered at once, which shows that the server has all calls before it.
        call(2 * here + 1, GET_STATE, EMPTY, &mut out);
        peer.socket.write_all(&out).expect("the server reads");
        peer.wait_for(1);
        left -= here;
        peers.push((peer, here as usize));
    }
    say("waiting");
    std::io::stdin()
        .lock()
        .read_line(&mut String::new())
        .unwrap();
    let mut asking = Peer::connect(address).unwrap();
    let triggered = now();
    asking.send(1, SHUTDOWN, EMPTY);
    while peers.iter().any(|(_, open)| *open > 0) {
        let open: Vec<_> = (0..peers.len()).filter(|nth| peers[*nth].1 > 0).collect();
        let ready: Vec<_> = {
            let mut polled: Vec<_> = open
                .iter()
                .map(|nth| PollFd::new(&peers[*nth].0.socket, PollFlags::IN))
                .collect();
            poll(&mut polled, None).unwrap();
            polled.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        for (nth, ready) in open.into_iter().zip(ready) {
            if ready {
                peers[nth].1 -= peers[nth].0.ended().expect("the server answers");
            }
        }
    }
    say(&format!("triggered {triggered}\nlast {}", now()));
}

fn beside(address: &str, count: u32) {
    let mut peer = Peer::connect(address).expect("a connection");
    let mut took = String::new();
    for nth in 0..count {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let before = now();
        peer.send(2 * nth + 1, GET_STATE, EMPTY);
        peer.wait_for(1);
        took += &format!("{}\n", now() - before);
    }
    say(took.trim_end());
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["child"] => child(),
        ["first-call", address, ref command @ ..] if !command.is_empty() => {
            first_call(address, command)
        }
        ["events", address] => events(address),
        ["hold", address, count] => hold(address, count.parse().unwrap()),
        ["beside", address, count] => beside(address, count.parse().unwrap()),
        ["waiters", address, count] => waiters(address, count.parse().unwrap()),
        _ => panic!("see the head of benches/peers/src/bin/probe.rs"),
    }
}
