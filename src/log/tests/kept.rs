//! Audit lines to a reader that does not read: kept in a room of their own.

use std::os::fd::{AsFd, OwnedFd};

use tracing::Subscriber;

use super::super::{KeptLines, Level, LineFormat, TextHead, subscriber};
use super::{fill_pipe, pipe, read_available};
use crate::clock::MonotonicClock;

/// The target of the audit module.
const AUDIT: &str = "process_wrapper::service::audit";

/// A log over a full pipe: its reader, the bytes in it, and the task that writes kept lines.
fn full_pipe() -> (
    OwnedFd,
    usize,
    Box<dyn Subscriber + Send + Sync>,
    KeptLines<OwnedFd>,
) {
    let (reader, writer) = pipe();
    let filled = fill_pipe(writer.as_fd());
    let (subscriber, kept) = subscriber(LineFormat::Text(TextHead::Time), Level::Info, writer);
    (reader, filled, subscriber, kept)
}

/// What the reader gets once `kept` has been written, with no further line.
fn read_again(reader: &OwnedFd, filled: usize, kept: KeptLines<OwnedFd>) -> String {
    let junk = read_available(reader);
    assert_eq!(junk, ".".repeat(filled), "a line went into a full pipe");
    let written = async {
        kept.write(MonotonicClock).await;
        unreachable!("the task does not end")
    };
    // It writes as soon as it is polled, and again after a time where the pipe was filled.
    let mut read = String::new();
    smol::block_on(smol::future::or(written, async {
        while !read.contains("log lines dropped") {
            smol::Timer::after(std::time::Duration::from_millis(5)).await;
            read += &read_available(reader);
        }
    }));
    read
}

#[test]
fn an_audit_line_outlasts_a_reader_that_pauses() {
    let (reader, filled, subscriber, kept) = full_pipe();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("ordinary");
        tracing::info!(target: AUDIT, "audit: called");
        tracing::warn!(target: AUDIT, held_back = 3, "audit: call refused");
        tracing::info!("ordinary");
    });
    let read = read_again(&reader, filled, kept);
    let lines: Vec<_> = read.lines().collect();
    assert_eq!(lines.len(), 3, "{read}");
    assert!(lines[0].ends_with("audit: called"), "{read}");
    assert!(
        lines[1].ends_with("audit: call refused held_back=3"),
        "{read}"
    );
    assert!(
        lines[2].ends_with("log lines dropped audit_lines=0 lines=2"),
        "{read}"
    );
}

#[test]
fn refusals_do_not_displace_calls_and_the_loss_is_counted() {
    let (reader, filled, subscriber, kept) = full_pipe();
    let padding = "x".repeat(500);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..1000 {
            tracing::warn!(target: AUDIT, padding, held_back = 0, "audit: call refused");
        }
        for _ in 0..50 {
            tracing::info!(target: AUDIT, padding, "audit: called");
        }
    });
    let read = read_again(&reader, filled, kept);
    assert_eq!(read.matches("audit: called").count(), 50);
    let refused = read.matches("audit: call refused").count();
    assert!((10..40).contains(&refused), "{refused}");
    let lost = 1000 - refused;
    let report = format!("log lines dropped audit_lines={lost} lines={lost}\n");
    assert!(read.ends_with(&report), "{read}");
}

#[test]
fn kept_lines_are_limited() {
    let (reader, filled, subscriber, kept) = full_pipe();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..10_000 {
            tracing::info!(target: AUDIT, "audit: called");
        }
    });
    let read = read_again(&reader, filled, kept);
    assert!(read.len() < 65 * 1024, "{}", read.len());
    assert!(read.len() > 60 * 1024, "{}", read.len());
}
