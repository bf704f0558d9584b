//! Waits that survive faults of the connection and of the wrapper.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::{STAYS, SUCCEEDS, Said, call, client};
use crate::support::http2::{ACK, HEADERS, PING, PREFACE, SETTINGS, frame, reset};
use crate::support::{self, Wrapper, setup_bare, start_ready};

pub(crate) fn finish(mut process: std::process::Child) -> Said {
    support::wait_for_exit(&mut process);
    process.wait_with_output().unwrap().into()
}

fn ask_to_drain(wrapper: &Wrapper) {
    let said = call(&["shutdown", "--address", &wrapper.address()]);
    assert_eq!(said.code, 0, "{said:?}");
}

pub(crate) fn listening_on(socket: &Path, options: &[&str], script: &str) -> Wrapper {
    let listen = format!("unix:{}", socket.display());
    let options = [&["--listen", &listen], options].concat();
    setup_bare(&options, &["sh", "-c", script], false).start()
}

/// Ends the wrapper as the kernel would for want of memory, and what it leaves behind.
pub(crate) fn kill(wrapper: &mut Wrapper) {
    let child = wrapper.child_pid();
    wrapper.process.kill().unwrap();
    wrapper.process.wait().unwrap();
    let group = nix::unistd::Pid::from_raw(child);
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn a_client_may_start_before_the_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let address = format!("unix:{}", socket.display());
    let arguments = [
        "wait",
        "--until=running",
        "--connect-timeout=30s",
        "--address",
        &address,
    ];
    let mut waiting = client(&arguments).spawn().unwrap();
    assert!(waiting.try_wait().unwrap().is_none());
    let _wrapper = listening_on(&socket, &[], SUCCEEDS);
    let said = finish(waiting);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn a_drain_is_reported_although_the_wrapper_exits_with_the_process() {
    for _ in 0..10 {
        let wrapper = start_ready(&["--exit-when-gone=always"], SUCCEEDS);
        let said = call(&["shutdown", "--wait", "--address", &wrapper.address()]);
        assert_eq!(said.code, 0, "{said:?}");
    }
}

#[test]
fn a_wait_asks_once_for_each_state() {
    let wrapper = start_ready(&["--log-level=debug"], SUCCEEDS);
    let waiting = client(&["wait", "--address", &wrapper.address()])
        .spawn()
        .unwrap();
    // The second question is the one that waits.
    wrapper.stderr.wait_for_nth("state read", 2);
    ask_to_drain(&wrapper);
    assert_eq!(finish(waiting).code, 0);
    let log = wrapper.stderr.text();
    let questions = log
        .lines()
        .filter(|line| line.contains("state read"))
        .count();
    assert!(questions <= 3, "{log}");
}

/// Passes bytes on, one connection after the other.
pub(crate) struct Relay {
    pub(crate) path: PathBuf,
    /// The client's side of each connection, once bytes have gone both ways.
    connected: mpsc::Receiver<UnixStream>,
    _folder: tempfile::TempDir,
}

impl Relay {
    pub(crate) fn to(target: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay");
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, connected) = mpsc::channel();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), UnixStream::connect(&target).unwrap());
                let (near_, far_) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pass(near_, far_));
                let sender = sender.clone();
                std::thread::spawn(move || {
                    let _ = sender.send(near.try_clone().unwrap());
                    pass(far, near);
                });
            }
        });
        Self {
            path,
            connected,
            _folder: folder,
        }
    }

    pub(crate) fn next(&self) -> UnixStream {
        self.connected.recv_timeout(support::DEADLINE).unwrap()
    }
}

pub(crate) fn pass(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_wait_reconnects_after_a_lost_connection() {
    let wrapper = start_ready(&["--log-level=debug"], SUCCEEDS);
    let relay = Relay::to(wrapper.socket());
    let address = format!("unix:{}", relay.path.display());
    let waiting = client(&["wait", "--address", &address]).spawn().unwrap();
    // One connection to ask how it stands, one that waits; the latter is cut, three times.
    for lost in 1..=3 {
        relay.next();
        let connection = relay.next();
        wrapper.stderr.wait_for_nth("state read", 2 * lost);
        connection.shutdown(Shutdown::Both).unwrap();
    }
    wrapper.stderr.wait_for_nth("state read", 8);
    ask_to_drain(&wrapper);
    let said = finish(waiting);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.starts_with("gone"), "{said:?}");
}

#[test]
fn a_killed_wrapper_ends_the_wait_with_the_last_state() {
    let mut wrapper = start_ready(&["--log-level=debug"], STAYS);
    let arguments = [
        "wait",
        "--connect-timeout=2s",
        "--address",
        &wrapper.address(),
    ];
    let waiting = client(&arguments).spawn().unwrap();
    wrapper.stderr.wait_for_nth("state read", 2);
    kill(&mut wrapper);
    let said = finish(waiting);
    assert_eq!(said.code, 4, "{said:?}");
    for words in ["connection was lost", "last seen running"] {
        assert!(said.stderr.contains(words), "{words:?} is not in {said:?}");
    }
}

#[test]
fn a_successor_at_the_same_address_is_not_mistaken_for_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listen = format!("unix:{}", socket.display());
    let mut first = listening_on(&socket, &["--log-level=debug"], STAYS);
    first.stdout.wait_for("ready");
    let arguments = ["wait", "--connect-timeout=30s", "--address", &listen];
    let waiting = client(&arguments).spawn().unwrap();
    first.stderr.wait_for_nth("state read", 2);
    kill(&mut first);
    let _second = listening_on(&socket, &[], STAYS);
    let said = finish(waiting);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("replaced"), "{said:?}");
}

#[test]
fn a_silent_listener_is_abandoned_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent");
    // Never accepts: the kernel takes the connection all the same.
    let _listener = UnixListener::bind(&socket).unwrap();
    let address = format!("unix:{}", socket.display());
    for arguments in [
        &["status", "--connect-timeout=300ms"][..],
        &["wait", "--connect-timeout=300ms"],
        &["probe", "--timeout=300ms"],
        // The time to wait is that of the whole command.
        &["wait", "--timeout=300ms", "--connect-timeout=1h"],
        &[
            "shutdown",
            "--wait",
            "--timeout=300ms",
            "--connect-timeout=1h",
        ],
    ] {
        let said = call(&[arguments, &["--address", &address]].concat());
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.stderr.contains("there is no answer"), "{said:?}");
    }
}

/// It closes at once, so the client's first write may fail before the answer is read.
fn answer_and_close(mut stream: impl Write) {
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
}

#[test]
fn a_server_of_another_protocol_is_named_as_the_cause() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("other");
    let unix = UnixListener::bind(&socket).unwrap();
    let addresses = [
        format!("tcp://{}", tcp.local_addr().unwrap()),
        format!("unix:{}", socket.display()),
    ];
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            answer_and_close(stream.unwrap());
        }
    });
    std::thread::spawn(move || {
        for stream in unix.incoming() {
            answer_and_close(stream.unwrap());
        }
    });
    for address in addresses {
        let said = call(&["status", "--connect-timeout=2s", "--address", &address]);
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.stderr.contains("is it a process-wrapper"), "{said:?}");
        // Its answer is the cause, not the broken pipe behind it.
        for wrong in ["nothing listens", "broken pipe", "reset", "closed before"] {
            assert!(!said.stderr.contains(wrong), "{said:?}");
        }
    }
}

#[test]
fn a_wait_times_out_while_the_wrapper_is_reachable() {
    let wrapper = start_ready(&[], STAYS);
    let began = std::time::Instant::now();
    let said = call(&["wait", "--timeout=1s", "--address", &wrapper.address()]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(said.stderr.contains("still running"), "{said:?}");
}

/// A proxy whose server is lost: it speaks HTTP/2, and resets each call.
fn reset_every_call(mut near: UnixStream) -> std::io::Result<()> {
    near.write_all(&frame(SETTINGS, 0, 0, b""))?;
    near.read_exact(&mut [0; PREFACE.len()])?;
    loop {
        let mut header = [0; 9];
        near.read_exact(&mut header)?;
        let [a, b, c, kind, flags, _, _, _, stream] = header;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; length.try_into().unwrap()];
        near.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => near.write_all(&frame(SETTINGS, ACK, 0, b""))?,
            PING if flags & ACK == 0 => near.write_all(&frame(PING, ACK, 0, &payload))?,
            // INTERNAL_ERROR
            HEADERS => near.write_all(&reset(stream.into(), 2))?,
            _ => {}
        }
    }
}

#[test]
fn a_call_that_a_proxy_resets_is_tried_again_and_is_no_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("proxy");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, connections) = mpsc::channel();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let _ = sender.send(());
            std::thread::spawn(move || reset_every_call(near.unwrap()));
        }
    });
    let address = format!("unix:{}", socket.display());
    let said = call(&["status", "--connect-timeout=2s", "--address", &address]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(connections.try_iter().count() > 1, "{said:?}");
}
