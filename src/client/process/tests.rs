//! Unit tests of the reading of messages.

use super::*;

fn message(state: i32) -> pb::Process {
    pb::Process {
        state,
        ..pb::Process::default()
    }
}

#[test]
fn an_answer_without_a_known_state_is_refused() {
    assert!(Process::try_from(None).is_err());
    for state in [0, 4, -1] {
        assert!(Process::try_from(Some(message(state))).is_err());
    }
    let process = Process::try_from(Some(message(1))).unwrap();
    assert_eq!(process.state, State::Running);
}

#[test]
fn an_exit_is_a_code_or_a_signal() {
    assert_eq!(exit(None, None, false).unwrap(), None);
    assert_eq!(exit(Some(3), None, false).unwrap(), Some(Exit::Code(3)));
    let killed = Exit::Signal {
        number: 9,
        core_dumped: true,
    };
    assert_eq!(exit(None, Some(9), true).unwrap(), Some(killed));
    for odd in [-1, 256, i32::MAX] {
        assert!(exit(Some(odd), None, false).is_err());
        assert!(exit(None, Some(odd), false).is_err());
    }
}

#[test]
fn without_an_outcome_only_an_end_with_code_0_is_a_success() {
    let mut process = Process::try_from(Some(message(3))).unwrap();
    assert!(process.failed(), "how it ended is not known");
    process.exit = Some(Exit::Code(0));
    assert!(!process.failed());
    process.exit = Some(Exit::Code(1));
    assert!(process.failed());
    process.state = State::Running;
    assert!(!process.failed());
}

#[test]
fn exit_code_0_is_a_failure_after_an_abort() {
    let mut gone = Process::try_from(Some(message(3))).unwrap();
    gone.exit = Some(Exit::Code(0));
    for outcome in Outcome::ALL {
        gone.outcome = Some(outcome);
        let succeeds = [Outcome::Drained, Outcome::Unasked].contains(&outcome);
        assert_eq!(gone.failed(), !succeeds, "{outcome}");
    }
    gone.outcome = Some(Outcome::Unasked);
    gone.exit = Some(Exit::Code(1));
    assert!(gone.failed());
}

#[test]
fn outcome_and_signals_are_read_and_unknown_numbers_are_none() {
    let sent = |cause| pb::SentSignal {
        number: 15,
        name: "SIGTERM".to_owned(),
        sent_at: None,
        cause,
    };
    let mut newer = message(3);
    newer.outcome = 3;
    newer.signals = vec![sent(2), sent(99)];
    let process = Process::try_from(Some(newer.clone())).unwrap();
    assert_eq!(process.outcome, Some(Outcome::Aborted));
    let causes: Vec<_> = process.signals.iter().map(|sent| sent.cause).collect();
    assert_eq!(causes, [Some(SignalCause::Deadline), None]);
    for unknown in [0, 7, -1, i32::MAX] {
        newer.outcome = unknown;
        let process = Process::try_from(Some(newer.clone())).unwrap();
        assert_eq!(process.outcome, None, "{unknown}");
    }
}

#[test]
fn a_time_out_of_range_is_no_panic() {
    let mut odd = message(1);
    odd.started_at = Some(prost_types::Timestamp {
        seconds: i64::MIN,
        nanos: i32::MIN,
    });
    let _ = Process::try_from(Some(odd));
}
