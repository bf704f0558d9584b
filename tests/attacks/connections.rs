//! Connections that do nothing, or too many of them.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, prlimit};

use crate::measure::{LONG, Target, descriptors};
use crate::support;
use crate::support::client::GET_STATE;
use crate::support::client::SHUTDOWN;
use crate::support::http2::*;
use crate::support::http2_peer::{Peer, until_gone};

/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(10);

#[test]
fn silent_and_slow_sockets_are_closed() {
    let target = Target::start();
    target.survives("100 silent sockets, 50 slow prefaces", 6 << 20, |wrapper| {
        let begun = Instant::now();
        let mut silent: Vec<_> = (0..100).map(|_| Peer::silent(&wrapper.socket())).collect();
        let mut slow: Vec<_> = (0..50).map(|_| Peer::silent(&wrapper.socket())).collect();
        // Single bytes make no preface; after the 24 octets comes half of a SETTINGS frame.
        for byte in &PREFACE_AND_SETTINGS[..PREFACE_AND_SETTINGS.len() - 1] {
            for peer in &mut slow {
                peer.send(&[*byte]);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for peer in silent.iter_mut().chain(&mut slow) {
            while peer.next().is_some() {}
        }
        let passed = begun.elapsed();
        assert!(passed < SILENCE, "{passed:?}");
    });
}

#[test]
fn hoarded_connections_cost_little_and_block_no_other_client() {
    let target = Target::with_descriptors(512);
    target.survives("2,000 connections, 512 descriptors", 24 << 20, |wrapper| {
        let mut hoard: Vec<UnixStream> = Vec::new();
        for _ in 0..2000 {
            let mut stream = UnixStream::connect(wrapper.socket()).unwrap();
            let _ = std::io::Write::write_all(&mut stream, PREFACE_AND_SETTINGS);
            hoard.push(stream);
            // Descriptors of this process are limited as well: refused sockets are closed here,
            // too.
            if hoard.len() > 700 {
                hoard.drain(..200);
            }
        }
        support::eventually("the places are taken", || descriptors(wrapper) > 400);
        assert!(descriptors(wrapper) <= 512);
        let mut newcomer = Peer::connect(wrapper);
        let answer = newcomer.call(&Head::of(GET_STATE), &message(b""));
        assert_eq!(answer.code(), Some(0));
    });
}

#[test]
fn accepting_resumes_once_descriptors_are_available() {
    let target = Target::start();
    target.survives("EMFILE on accept", 4 << 20, |wrapper| {
        // A handful more than it has; how many connections it takes was decided before.
        let few = u64::try_from(descriptors(wrapper)).unwrap() + 4;
        let limit = Rlimit {
            current: Some(few),
            maximum: Some(few),
        };
        let pid = rustix::process::Pid::from_child(&wrapper.process);
        prlimit(Some(pid), Resource::Nofile, limit).unwrap();
        let hoard: Vec<_> = (0..40)
            .map(|_| UnixStream::connect(wrapper.socket()).unwrap())
            .collect();
        wrapper
            .stderr
            .wait_for("connections are not accepted for now");
        std::thread::sleep(LONG);
        drop(hoard);
    });
}

#[test]
fn an_idle_connection_costs_little() {
    const MANY: u64 = 400;
    let target = Target::start();
    let mut idle: Vec<_> = (0..MANY)
        .map(|_| {
            let mut peer = Peer::connect(&target.wrapper);
            let answer = peer.call(&Head::of(GET_STATE), &message(b""));
            assert_eq!(answer.code(), Some(0));
            peer
        })
        .collect();
    let each = target.grown() / MANY;
    println!("| idle connection | {each} bytes | | |");
    assert!(each < 40 * 1024, "{each} bytes for each idle connection");
    // They are all still there.
    for peer in &mut idle {
        let answer = peer.call(&Head::of(GET_STATE), &message(b""));
        assert_eq!(answer.code(), Some(0));
    }
}

/// Ten thousand calls that wait, with the streams of each connection.
fn ten_thousand_waiters(target: &Target) -> Vec<(Peer, Vec<u32>)> {
    const STREAMS: usize = 64;
    const CONNECTIONS: usize = 157;
    let waiting = || {
        let mut peer = Peer::connect(&target.wrapper);
        let streams: Vec<_> = (0..STREAMS).map(|_| peer.open()).collect();
        for stream in &streams {
            assert!(peer.send(&Head::of(GET_STATE).call(*stream, &until_gone())));
        }
        // The server has read all of them when it answers this.
        assert!(peer.send(&ping()));
        peer.wait_for("the ping's answer", |frame| {
            frame.kind == PING && frame.flags & ACK != 0
        });
        (peer, streams)
    };
    (0..CONNECTIONS).map(|_| waiting()).collect()
}

/// Ten thousand waiting calls whose clients disconnect: how much more memory the wrapper has with
/// them, and after them.
fn ten_thousand_waiters_come_and_go(target: &Target, round: usize) -> (u64, u64) {
    let waiters = ten_thousand_waiters(target);
    let with = target.grown();
    drop(waiters);
    // Each connection that is closed gives its descriptor back.
    support::eventually("the connections are closed", || {
        descriptors(&target.wrapper) < 40
    });
    let after = target.grown();
    println!(
        "| 10,000 waiters, round {round} | {} KiB, then {} KiB | | |",
        with / 1024,
        after / 1024
    );
    (with, after)
}

#[test]
fn ten_thousand_waiters_are_answered_although_the_wrapper_exits_with_the_process() {
    let target = Target::with_options(&["--exit-when-gone", "always"]);
    let waiters = ten_thousand_waiters(&target);
    let mut client = Peer::connect(&target.wrapper);
    let answer = client.call(&Head::of(SHUTDOWN), &message(b""));
    assert_eq!(answer.code(), Some(0));
    for (mut peer, streams) in waiters {
        for stream in streams {
            assert_eq!(peer.answer(stream).code(), Some(0));
        }
    }
}

#[test]
fn ten_thousand_disconnected_waiters_leave_no_memory_behind() {
    let target = Target::start();
    let after: Vec<_> = (0..4)
        .map(|round| ten_thousand_waiters_come_and_go(&target, round).1)
        .collect();
    // glibc's allocator keeps pages for the next time; what it keeps does not grow, so nothing else
    // is kept.
    let grown = after[3].saturating_sub(after[1]);
    assert!(grown < 2 << 20, "{grown} bytes more after two more rounds");
    assert!(after[3] < 80 << 20, "{} bytes are kept", after[3]);
    let mut client = Peer::connect(&target.wrapper);
    let answer = client.call(&Head::of(GET_STATE), &message(b""));
    assert_eq!(answer.code(), Some(0));
}

#[test]
fn the_musl_build_gives_the_memory_of_ten_thousand_waiters_back() {
    let Some(binary) = std::env::var_os("PROCESS_WRAPPER_MUSL_BINARY") else {
        support::peers::absent("PROCESS_WRAPPER_MUSL_BINARY, the path of a build with musl,");
        return;
    };
    let target = Target::of_build(binary.as_ref());
    for round in 0..3 {
        let (with, _) = ten_thousand_waiters_come_and_go(&target, round);
        assert!(with > 30 << 20, "{with} bytes are no 10,000 calls");
        // What is still being dropped when the descriptors are closed goes a moment later.
        support::eventually("the memory is given back", || target.grown() < 4 << 20);
    }
}

#[test]
fn an_aborted_connection_accepts_no_further_bytes() {
    let target = Target::start();
    let mut peer = Peer::connect(&target.wrapper);
    while peer.send(&ping().repeat(100)) {}
    let mut rest = Vec::new();
    // The connection ends, whatever frames were in flight.
    let _ = peer.stream.read_to_end(&mut rest);
    assert!(!peer.send(PREFACE_AND_SETTINGS));
}
