//! What is told of a process: to clients, to the service manager, in GitLab's words.

use std::time::{Duration, SystemTime};

use process_wrapper::client::{AfterExitPhase, Process, WebhookPhase};
use process_wrapper::gitlab::failure_reason;
use process_wrapper::lifecycle::{Exit, State};
use process_wrapper::pb::process_wrapper::v1 as pb;
use process_wrapper::service::convert;
use process_wrapper::supervisor::{AfterExitFacts, Facts};
use process_wrapper::systemd::state::{Notifier, NotifyState, Situation};
use process_wrapper::webhook::delivery::{Delivery, DeliveryState};
use prost::Message;

use super::cursor::Cursor;

/// Facts arrive at a client as they were; a message from anybody is read or refused; and a service
/// manager is told that we are ready first, once, and that we stop once.
pub fn run(data: &[u8]) {
    if let Ok(message) = pb::Process::decode(data) {
        foreign(message);
    }
    let mut cursor = Cursor::new(data);
    let mut teller = Notifier::default();
    let (mut readies, mut stops, mut told) = (0, 0, None);
    for number in 0..=cursor.u8(..4) {
        let facts = facts(&mut cursor);
        arrives(&facts);
        let situation = Situation {
            state: facts.state,
            exit: facts.exit,
            asked_for: cursor
                .bool()
                .then(|| Duration::from_millis(cursor.u32().into())),
            told_to_stop: cursor.bool(),
        };
        let words = teller.words(&situation);
        assert_eq!(words.first() == Some(&NotifyState::Ready), number == 0);
        readies += words
            .iter()
            .filter(|word| **word == NotifyState::Ready)
            .count();
        stops += words
            .iter()
            .filter(|word| **word == NotifyState::Stopping)
            .count();
        let extends = words
            .iter()
            .any(|word| matches!(word, NotifyState::ExtendTimeout(_)));
        assert_eq!(extends, situation.told_to_stop);
        assert!(!extends || situation.is_under_way());
        let status = words.into_iter().find_map(|word| match word {
            NotifyState::Status(status) => Some(status),
            NotifyState::Ready
            | NotifyState::Stopping
            | NotifyState::ExtendTimeout(_)
            | NotifyState::Watchdog => None,
        });
        if let Some(status) = status {
            assert!(!status.contains('\n') && told.as_ref() != Some(&status));
            told = Some(status);
        }
    }
    assert_eq!(readies, 1);
    assert!(stops <= 1);
}

fn arrives(facts: &Facts) {
    let message = convert::process(facts);
    let message = pb::Process::decode(&*message.encode_to_vec()).unwrap();
    let process = Process::try_from(Some(message)).unwrap();
    assert_eq!(
        (
            process.state,
            process.pid,
            &process.program,
            process.requested
        ),
        (facts.state, facts.pid, &facts.program, facts.requested)
    );
    assert_eq!(process.exit, facts.exit);
    assert_eq!(
        [
            process.started_at,
            process.shutdown_requested_at,
            process.exited_at
        ],
        [
            Some(facts.started_at),
            facts.shutdown_requested_at,
            facts.exited_at
        ]
    );
    assert_eq!(
        [process.force_at, process.kill_at],
        [facts.force_at, facts.kill_at]
    );
    let after_exit = process
        .after_exit
        .as_ref()
        .map(|after| (after.phase, &*after.error));
    let expected = facts.after_exit.as_ref().map(|after| match after {
        AfterExitFacts::Pending => (AfterExitPhase::Pending, ""),
        AfterExitFacts::Running => (AfterExitPhase::Running, ""),
        AfterExitFacts::Ended(_) => (AfterExitPhase::Ended, ""),
        AfterExitFacts::TimedOut(_) => (AfterExitPhase::TimedOut, ""),
        AfterExitFacts::FailedToStart(error) => (AfterExitPhase::FailedToStart, &**error),
    });
    assert_eq!(after_exit, expected);
    assert_eq!(process.webhooks.len(), facts.webhooks.len());
    for (read, sent) in process.webhooks.iter().zip(&facts.webhooks) {
        let phase = match sent.state {
            DeliveryState::Pending => WebhookPhase::Pending,
            DeliveryState::Delivered => WebhookPhase::Delivered,
            DeliveryState::Failed => WebhookPhase::Failed,
        };
        assert_eq!(
            (read.phase, &read.id, &read.target),
            (phase, &sent.id, &sent.target)
        );
        assert_eq!(
            (read.attempts, &read.last_error),
            (sent.attempts, &sent.last_error)
        );
        assert_eq!(read.next_attempt_at, sent.next_attempt_at);
    }
    assert_eq!(
        process.failed(),
        facts.state == State::Gone && facts.exit != Some(Exit::Code(0))
    );
}

/// Facts from a peer that claims to be a wrapper.
fn foreign(message: pb::Process) {
    let known = (1..=3).contains(&message.state);
    match Process::try_from(Some(message.clone())) {
        Ok(process) => {
            assert!(known);
            assert_eq!(process.webhooks.len(), message.webhooks.len());
            assert_eq!(
                process.exit.is_some(),
                message.exit_code.or(message.exit_signal).is_some()
            );
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
    assert!(Process::try_from(None).is_err());
}

fn exit(cursor: &mut Cursor<'_>) -> Exit {
    let exit = match cursor.bool() {
        true => Exit::Code(cursor.byte()),
        false => Exit::Signal {
            number: cursor.u8(1..=64),
            core_dumped: cursor.bool(),
        },
    };
    let (words, go, status) = (exit.to_string(), failure_reason(exit), exit.status());
    match exit {
        Exit::Code(code) => {
            assert_eq!(status, code);
            assert!(words.ends_with(&format!(" {code}")));
            assert!(if code == 0 {
                go.is_empty()
            } else {
                go == format!("exit status {code}")
            });
        }
        Exit::Signal {
            number,
            core_dumped,
        } => {
            assert_eq!(status, 128 + number);
            assert!(words.starts_with("ended by ") && go.starts_with("signal: "));
            assert_eq!(words.ends_with(" (core dumped)"), core_dumped);
            assert_eq!(go.ends_with(" (core dumped)"), core_dumped);
        }
    }
    exit
}

fn facts(cursor: &mut Cursor<'_>) -> Facts {
    let time = |cursor: &mut Cursor<'_>| {
        // Times that a Timestamp can say.
        let seconds = Duration::from_secs(cursor.u64(..200_000_000_000));
        SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(u64::from(cursor.u16()))
    };
    let maybe = |cursor: &mut Cursor<'_>| cursor.bool().then(|| time(cursor));
    let phases = [
        DeliveryState::Pending,
        DeliveryState::Delivered,
        DeliveryState::Failed,
    ];
    Facts {
        state: [State::Running, State::ShuttingDown, State::Gone][usize::from(cursor.u8(..3))],
        pid: cursor.u32().cast_signed(),
        program: cursor.text(),
        started_at: time(cursor),
        shutdown_requested_at: maybe(cursor),
        exited_at: maybe(cursor),
        exit: cursor.bool().then(|| exit(cursor)),
        requested: cursor.bool(),
        force_at: maybe(cursor),
        kill_at: maybe(cursor),
        after_exit: match cursor.u8(..6) {
            0 => None,
            1 => Some(AfterExitFacts::Pending),
            2 => Some(AfterExitFacts::Running),
            3 => Some(AfterExitFacts::Ended(exit(cursor))),
            4 => Some(AfterExitFacts::TimedOut(exit(cursor))),
            _ => Some(AfterExitFacts::FailedToStart(cursor.text())),
        },
        webhooks: (0..cursor.u8(..3))
            .map(|_| Delivery {
                id: cursor.text(),
                target: cursor.text(),
                state: phases[usize::from(cursor.u8(..3))],
                attempts: cursor.u32(),
                next_attempt_at: maybe(cursor),
                last_error: cursor.text(),
            })
            .collect(),
    }
}
