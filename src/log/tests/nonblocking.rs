//! Lines to a reader that does not read: dropped, counted, reported, never blocking.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pty::OpenptFlags;

use super::super::sink::{Sink, WriteMethod, reopened};
use super::super::writer::{Importance, LineWriter};
use super::super::{LineFormat, MAX_LINE, TextHead};
use super::{fill_pipe, pipe, promptly, read_available};

type Lines = LineWriter<OwnedFd>;

/// Logs `count` numbered lines.
fn log(mut lines: Lines, count: usize) -> Lines {
    promptly(move || {
        for number in 0..count {
            writeln_once(&mut lines, &numbered(number));
        }
        lines
    })
}

fn numbered(number: usize) -> String {
    format!("line {number} {}", "x".repeat(100))
}

fn writeln_once(lines: &mut Lines, line: &str) {
    let is_kept = lines.line(Importance::Ordinary, format!("{line}\n").as_bytes());
    assert!(!is_kept);
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd)
        .unwrap()
        .contains(OFlags::NONBLOCK)
}

/// A full pipe: three lines are dropped, and the next one reports it.
fn full_pipe_drops(format: LineFormat, sink: impl FnOnce(OwnedFd) -> Sink<OwnedFd>) -> String {
    let (reader, writer) = pipe();
    let shared = writer.try_clone().unwrap();
    let filled = fill_pipe(shared.as_fd());
    let lines = log(Lines::new(sink(writer), format), 3);
    let junk = read_available(&reader);
    assert_eq!(junk, ".".repeat(filled), "a line went into a full pipe");
    let mut lines = log(lines, 1);
    assert!(
        !is_nonblocking(&shared),
        "the child's description was changed"
    );
    let report = read_available(&reader);
    writeln_once(&mut lines, "later");
    assert_eq!(
        read_available(&reader),
        "later\n",
        "the loss is reported once"
    );
    let (first, second) = report.split_once('\n').unwrap();
    assert!(
        second.starts_with("line 0 x") && second.ends_with("x\n"),
        "{report}"
    );
    first.to_owned()
}

#[test]
fn a_full_pipe_drops_and_counts() {
    let method = |fd| {
        let sink = Sink::new(fd);
        assert!(matches!(sink.method(), WriteMethod::Nowait));
        sink
    };
    let report = full_pipe_drops(LineFormat::Text(TextHead::Time), method);
    assert!(
        report.ends_with(
            " WARN process_wrapper: stderr was full: log lines dropped audit_lines=0 lines=3"
        ),
        "{report}"
    );
    let report: serde_json::Value =
        serde_json::from_str(&full_pipe_drops(LineFormat::Json, method)).unwrap();
    assert_eq!(report["lines"], 3);
    assert_eq!(report["level"], "WARN");
    assert_eq!(report["target"], "process_wrapper");
}

#[test]
fn a_full_pipe_drops_and_counts_without_nowait() {
    let report = full_pipe_drops(LineFormat::Text(TextHead::Time), |fd| {
        let method = reopened(fd.as_fd());
        assert!(matches!(method, WriteMethod::Reopened(_)));
        Sink::with_method(fd, method)
    });
    assert!(report.ends_with("lines=3"), "{report}");
}

#[test]
fn a_full_pipe_drops_and_counts_when_polled() {
    let report = full_pipe_drops(LineFormat::Text(TextHead::Time), |fd| {
        Sink::with_method(fd, WriteMethod::Polled(MAX_LINE))
    });
    assert!(report.ends_with("lines=3"), "{report}");
}

#[test]
fn a_file_without_nowait_is_reopened() {
    // A terminal knows no RWF_NOWAIT, as pipes before Linux 6.4.
    let (controller, terminal) = terminal();
    let mut sink = Sink::with_method(terminal, WriteMethod::Nowait);
    assert_eq!(sink.write(b"line\n"), 5);
    assert!(matches!(sink.method(), WriteMethod::Reopened(_)));
    assert_eq!(read_available(controller), "line\r\n");
}

#[test]
fn a_full_socket_drops_and_counts() {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM] {
        let (reader, writer) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        let shared = writer.try_clone().unwrap();
        let sink = Sink::new(writer);
        assert!(matches!(sink.method(), WriteMethod::DontWait));
        unread_then_read(sink, &reader);
        assert!(!is_nonblocking(shared));
    }
}

#[test]
fn a_terminal_that_is_not_read_drops_and_counts() {
    let (controller, terminal) = terminal();
    let shared = terminal.try_clone().unwrap();
    let sink = Sink::new(terminal);
    assert!(matches!(sink.method(), WriteMethod::Reopened(_)));
    unread_then_read(sink, &controller);
    assert!(!is_nonblocking(shared));
}

#[test]
fn a_terminal_that_may_not_be_reopened_drops_and_counts() {
    let (controller, terminal) = terminal();
    unread_then_read(
        Sink::with_method(terminal, WriteMethod::Polled(1)),
        &controller,
    );
}

/// Logs without a reader, then reads until the newest line arrives: every line is whole and in
/// order, or counted where it is missing.
fn unread_then_read(sink: Sink<OwnedFd>, reader: &OwnedFd) {
    let mut lines = log(Lines::new(sink, LineFormat::Text(TextHead::Time)), 10_000);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut logged = 10_000;
    let mut all = read_available(reader);
    // A terminal passes the data on, and frees its room, shortly after the call.
    while !all.ends_with(&(numbered(logged - 1) + "\n")) {
        assert!(Instant::now() < deadline, "{all}");
        writeln_once(&mut lines, &numbered(logged));
        logged += 1;
        // The end of a line may come in two reads.
        all = (all + &read_available(reader)).replace("\r\n", "\n");
    }
    let mut number = 0;
    for line in all.lines() {
        if let Some((_, dropped)) = line.split_once("log lines dropped audit_lines=0 lines=") {
            number += dropped.parse::<usize>().unwrap();
        } else {
            assert_eq!(line, numbered(number));
            number += 1;
        }
    }
    assert_eq!(number, logged);
    assert!(all.contains("dropped"));
}

#[test]
fn a_reader_that_is_gone_is_harmless() {
    let (_, unread) = pipe();
    let (_, socket) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let (_, terminal) = terminal();
    let (unwritable, _writer) = pipe();
    for fd in [unread, socket, terminal, unwritable] {
        log(
            Lines::new(Sink::new(fd), LineFormat::Text(TextHead::Time)),
            100,
        );
    }
}

#[test]
fn lines_go_to_a_file_in_whole() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let fd = OwnedFd::from(file.reopen().unwrap());
    log(
        Lines::new(Sink::new(fd), LineFormat::Text(TextHead::Time)),
        1000,
    );
    assert_eq!(
        std::fs::read_to_string(file.path())
            .unwrap()
            .lines()
            .count(),
        1000
    );
}

/// A pseudo-terminal: its controlling side and its own.
fn terminal() -> (OwnedFd, OwnedFd) {
    let controller =
        rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .unwrap();
    rustix::pty::unlockpt(&controller).unwrap();
    let name = rustix::pty::ptsname(&controller, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    (controller, terminal)
}
