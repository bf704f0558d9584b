//! The reports about a process: to clients, to the service manager, in GitLab's terms.

use std::time::{Duration, SystemTime};

use process_wrapper::client::{AfterExitPhase, Process, WebhookPhase};
use process_wrapper::gitlab::failure_reason;
use process_wrapper::lifecycle::{Exit, Outcome, SignalCause, StageSignal, State};
use process_wrapper::pb::process_wrapper::v1 as pb;
use process_wrapper::service::convert;
use process_wrapper::signal::Signal;
use process_wrapper::supervisor::{AfterExitFacts, ProcessFacts};
use process_wrapper::systemd::state::{Notifier, NotifyState, ServiceStatus};
use process_wrapper::webhook::delivery::{Delivery, DeliveryState};
use prost::Message;

use super::cursor::Cursor;

/// Facts arrive at a client as they were; a message from anybody is read or refused; and a service
/// manager receives READY first, and again only after a reload, and STOPPING at most once.
pub fn run(data: &[u8]) {
    if let Ok(message) = pb::Process::decode(data) {
        foreign(message);
    }
    let mut cursor = Cursor::new(data);
    let mut notifier = Notifier::default();
    let (mut readies, mut expected, mut stops, mut last) = (0, 0, 0, None);
    for number in 0..=cursor.u8(..4) {
        let facts = facts(&mut cursor);
        arrives(&facts);
        let snapshot = ServiceStatus {
            state: facts.state,
            exit: facts.exit,
            outcome: facts.outcome,
            shutdown_elapsed: cursor
                .bool()
                .then(|| Duration::from_millis(cursor.u32().into())),
            told_to_stop: cursor.bool(),
            hangups: cursor.u8(..2).into(),
        };
        let reloads = notifier.reloads(&snapshot);
        assert!(!reloads || number > 0 && !snapshot.told_to_stop);
        let states = notifier.due(&snapshot);
        let is_ready = number == 0 || reloads;
        assert_eq!(states.first() == Some(&NotifyState::Ready), is_ready);
        expected += usize::from(is_ready);
        readies += states
            .iter()
            .filter(|state| **state == NotifyState::Ready)
            .count();
        stops += states
            .iter()
            .filter(|state| **state == NotifyState::Stopping)
            .count();
        let extends = states
            .iter()
            .any(|state| matches!(state, NotifyState::ExtendTimeout(_)));
        assert_eq!(extends, snapshot.told_to_stop);
        assert!(!extends || snapshot.is_under_way());
        let status = states.into_iter().find_map(|state| match state {
            NotifyState::Status(status) => Some(status),
            NotifyState::Ready
            | NotifyState::Reloading
            | NotifyState::Stopping
            | NotifyState::ExtendTimeout(_)
            | NotifyState::Watchdog => None,
        });
        if let Some(status) = status {
            assert!(!status.contains('\n') && last.as_ref() != Some(&status));
            last = Some(status);
        }
    }
    assert_eq!(readies, expected);
    assert!(stops <= 1);
}

fn arrives(facts: &ProcessFacts) {
    let message = convert::process(facts);
    let message = pb::Process::decode(&*message.encode_to_vec()).unwrap();
    let outcome = facts.outcome.map_or("unknown", Outcome::as_str);
    assert_eq!(message.outcome().as_str_name(), outcome);
    assert_eq!(message.signals.len(), facts.signals.len());
    for (read, sent) in message.signals.iter().zip(&facts.signals) {
        assert_eq!(read.name.parse(), Ok(sent.signal));
        assert_eq!(Signal::from_number(read.number), Some(sent.signal));
        assert_eq!(read.sent_at, Some(sent.sent_at.into()));
        assert_eq!(read.cause().as_str_name(), sent.cause.as_str());
    }
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
    assert_eq!(process.outcome, facts.outcome);
    let succeeded = match facts.outcome.map(Outcome::as_str) {
        Some("drained") => true,
        None | Some("unasked") => facts.exit == Some(Exit::Code(0)),
        Some(_) => false,
    };
    assert_eq!(process.failed(), facts.state == State::Gone && !succeeded);
    assert_eq!(process.signals.len(), facts.signals.len());
    for (read, sent) in process.signals.iter().zip(&facts.signals) {
        assert_eq!(
            (read.number, &*read.name),
            (sent.signal.number(), sent.signal.full_name())
        );
        assert_eq!(
            (read.sent_at, read.cause),
            (Some(sent.sent_at), Some(sent.cause))
        );
    }
}

/// ProcessFacts from a peer that claims to be a wrapper.
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
    let (text, go, status) = (exit.to_string(), failure_reason(exit), exit.status());
    match exit {
        Exit::Code(code) => {
            assert_eq!(status, code);
            assert!(text.ends_with(&format!(" {code}")));
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
            assert!(text.starts_with("ended by ") && go.starts_with("signal: "));
            assert_eq!(text.ends_with(" (core dumped)"), core_dumped);
            assert_eq!(go.ends_with(" (core dumped)"), core_dumped);
        }
    }
    exit
}

fn facts(cursor: &mut Cursor<'_>) -> ProcessFacts {
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
    let outcomes = [
        None,
        Some(Outcome::Drained),
        Some(Outcome::Failed),
        Some(Outcome::Aborted),
        Some(Outcome::Killed),
        Some(Outcome::Unasked),
        Some(Outcome::Lost),
    ];
    let causes = [
        SignalCause::Request,
        SignalCause::Deadline,
        SignalCause::Forwarded,
    ];
    ProcessFacts {
        state: [State::Running, State::ShuttingDown, State::Gone][usize::from(cursor.u8(..3))],
        pid: cursor.u32().cast_signed(),
        program: cursor.text(),
        started_at: time(cursor),
        shutdown_requested_at: maybe(cursor),
        exited_at: maybe(cursor),
        exit: cursor.bool().then(|| exit(cursor)),
        requested: cursor.bool(),
        outcome: outcomes[usize::from(cursor.u8(..7))],
        signals: (0..cursor.u8(..3))
            .map(|_| StageSignal {
                signal: Signal::from_number(cursor.u8(1..32).into()).unwrap(),
                sent_at: time(cursor),
                cause: causes[usize::from(cursor.u8(..3))],
            })
            .collect(),
        signals_refused: cursor.u64(..9),
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
                recovered: cursor.bool(),
            })
            .collect(),
    }
}
