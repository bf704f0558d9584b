//! The frame and the message: what is written is read again, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::lifecycle::{Exit, Outcome, SignalCause, StageSignal};
use crate::signal::Signal;
use crate::spool::record::{ProcessIdentity, is_id};
use crate::webhook::exit_report::{AfterExitReport, ExitReport};
use crate::webhook::method::Method;
use crate::webhook::policy::Origin;
use crate::webhook::request::WebhookRequest;

pub(crate) const ID: &str = "msg_00112233445566778899aabbccddeeff";

fn at(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// Every field set.
pub(crate) fn full() -> Record {
    let headers = [("authorization", "Bearer s3cret"), ("x-deploy", "7")];
    Record {
        id: ID.to_owned(),
        webhook: WebhookRequest::new("https://h.example:8443/a?b=c", Method::Put, headers)
            .unwrap()
            .with_origin(Origin::Network),
        accepted_at: at(1_795_428_000_123_456),
        deadline: Duration::from_millis(600_500),
        due_at: Some(at(1_795_428_060_000_001)),
        attempts: 3,
        last_error: "answered 503".to_owned(),
        failed_at: Some(at(1_795_428_660_000_000)),
        process: Some(ProcessIdentity {
            boot_id: "5f0c2a34-0a0b-4c0d-8e0f-102030405060".to_owned(),
            pid_namespace: 4_026_531_836,
            pid: 4711,
            start_time: 123_456,
        }),
        report: ExitReport {
            program: "gitlab-runner".to_owned(),
            pid: 4711,
            hostname: "host".to_owned(),
            started_at: at(1_795_427_000_000_000),
            shutdown_requested_at: Some(at(1_795_428_000_000_000)),
            exited_at: Some(at(1_795_428_060_000_000)),
            exit: Some(Exit::Signal {
                number: 11,
                core_dumped: true,
            }),
            requested: true,
            outcome: Outcome::Aborted,
            signals: vec![StageSignal {
                signal: Signal::QUIT,
                sent_at: at(1_795_428_000_000_000),
                cause: SignalCause::Request,
            }],
            after_exit: Some(AfterExitReport::TimedOut(Exit::Code(1))),
        },
    }
}

/// Only what a record must have.
fn bare() -> Record {
    Record {
        webhook: WebhookRequest::callback("http://h/", Method::of_callback("purge").unwrap(), [])
            .unwrap(),
        due_at: None,
        attempts: 0,
        last_error: String::new(),
        failed_at: None,
        process: None,
        report: ExitReport {
            shutdown_requested_at: None,
            exited_at: None,
            exit: None,
            requested: false,
            outcome: Outcome::Lost,
            signals: Vec::new(),
            after_exit: None,
            ..full().report
        },
        ..full()
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut records = vec![full(), bare()];
    for after_exit in [
        AfterExitReport::Ended(Exit::Code(0)),
        AfterExitReport::FailedToStart("no such file".to_owned()),
    ] {
        let mut record = full();
        record.report.after_exit = Some(after_exit);
        record.report.exit = Some(Exit::Code(255));
        records.push(record);
    }
    for record in records {
        assert_eq!(Record::decode(&record.encode().unwrap()), Ok(record));
    }
}

#[test]
fn a_file_cut_off_at_any_byte_is_unreadable() {
    let bytes = full().encode().unwrap();
    for length in 0..bytes.len() {
        let cut = Record::decode(&bytes[..length]).unwrap_err();
        let expected = match length {
            0..7 => Unreadable::Foreign,
            _ => Unreadable::Length,
        };
        assert_eq!(cut, expected, "{length}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(Record::decode(&longer), Err(Unreadable::Length));
}

#[test]
fn a_file_with_any_bit_flipped_is_unreadable() {
    let bytes = full().encode().unwrap();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            let found = Record::decode(&flipped);
            let broken = matches!(
                found,
                Err(Unreadable::Foreign | Unreadable::Length | Unreadable::Checksum)
            );
            assert!(broken, "byte {position}, bit {bit}: {found:?}");
        }
    }
}

pub(crate) fn framed(version: u8, message: &[u8]) -> Vec<u8> {
    frame(version, message).unwrap()
}

#[test]
fn a_whole_file_of_another_version_is_told_from_a_broken_one() {
    assert_eq!(
        Record::decode(&framed(2, b"anything")),
        Err(Unreadable::Version(2))
    );
    assert_eq!(
        Record::decode(&framed(1, b"\xff\xff")),
        Err(Unreadable::Message)
    );
    let empty = Record::decode(&framed(1, b""));
    assert_eq!(empty, Err(Unreadable::Field(InvalidField("id"))));
}

#[test]
fn an_unknown_field_is_skipped() {
    let mut message = StoredWebhook::from(&full()).encode_to_vec();
    // Field 1000, a varint.
    message.extend_from_slice(&[0xc0, 0x3e, 0x07]);
    assert_eq!(Record::decode(&framed(1, &message)), Ok(full()));
}

#[test]
fn an_error_repeats_nothing_of_the_file() {
    for error in [
        Unreadable::Foreign,
        Unreadable::Length,
        Unreadable::Checksum,
        Unreadable::Version(9),
        Unreadable::Message,
        Unreadable::Field(InvalidField("url or headers")),
    ] {
        assert!(!error.to_string().contains("s3cret"));
    }
    assert!(!format!("{:?}", full()).contains("s3cret"));
}

#[test]
fn a_record_beyond_the_limit_is_not_written() {
    let mut record = full();
    record.report.program = "x".repeat(MAX_BYTES);
    assert_eq!(record.encode(), Err(TooLarge));
}

#[test]
fn the_time_left_is_counted_on_the_wall_clock() {
    let record = full();
    let due = record.due_at.unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(record.time_left(due), record.deadline);
    assert_eq!(record.time_left(due + second), record.deadline - second);
    assert_eq!(record.time_left(due + 2 * record.deadline), Duration::ZERO);
    // The clock was set back.
    assert_eq!(record.time_left(due - second), record.deadline);
    assert_eq!(bare().time_left(due), record.deadline);
}

#[test]
fn only_our_own_ids_name_files() {
    assert!(is_id(ID));
    for id in [
        "",
        "msg_",
        "msg_../../etc/passwd/00112233445566",
        "msg_00112233445566778899AABBCCDDEEFF",
        "00112233445566778899aabbccddeeff",
    ] {
        assert!(!is_id(id), "{id}");
    }
}
