//! Conversion between messages and the supervisor's types.
//!
//! Owns the meaning of each field. It never reads a clock and makes no call.

use std::time::{Duration, SystemTime};

use crate::grpc::rules::status::{Code, Status};
use crate::lifecycle::{Exit, Outcome, SignalCause, StageSignal, State};
use crate::pb::process_wrapper::v1 as pb;
use crate::supervisor::{AfterExitFacts, ProcessFacts, RequestError};
use crate::webhook::delivery::{Delivery, DeliveryState, RejectReason};

/// A `google.protobuf.Duration` that must not be negative; unset is `None`.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a negative one or one whose nanoseconds are a second or more.
pub fn duration(
    field: &str,
    value: Option<&prost_types::Duration>,
) -> Result<Option<Duration>, Status> {
    let Some(value) = value else {
        return Ok(None);
    };
    let invalid = |why: &str| {
        Status::new(
            Code::InvalidArgument,
            format!("{field} {why}; nothing was signalled"),
        )
    };
    let nanos = u32::try_from(value.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000);
    match (u64::try_from(value.seconds), nanos) {
        (Ok(seconds), Some(nanos)) => Ok(Some(Duration::new(seconds, nanos))),
        (Err(_), _) => Err(invalid("is negative")),
        (Ok(_), None) if value.nanos < 0 => Err(invalid("is negative")),
        (Ok(_), None) => Err(invalid("has a nanos field beyond 999999999")),
    }
}

/// The state that `wait_until` names; `None` is an answer now.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for a number that is no state.
pub fn wanted_state(number: i32) -> Result<Option<State>, Status> {
    match pb::State::try_from(number) {
        Ok(pb::State::Unknown) => Ok(None),
        Ok(pb::State::Running) => Ok(Some(State::Running)),
        Ok(pb::State::ShuttingDown) => Ok(Some(State::ShuttingDown)),
        Ok(pb::State::Gone) => Ok(Some(State::Gone)),
        Err(_) => Err(Status::new(
            Code::InvalidArgument,
            format!("wait_until is {number}; it may be running (1), shutting_down (2) or gone (3)"),
        )),
    }
}

/// The message for the facts.
pub fn process(facts: &ProcessFacts) -> pb::Process {
    let state = match facts.state {
        State::Running => pb::State::Running,
        State::ShuttingDown => pb::State::ShuttingDown,
        State::Gone => pb::State::Gone,
    };
    let (exit_code, exit_signal, core_dumped) = match facts.exit {
        Some(Exit::Code(code)) => (Some(i32::from(code)), None, false),
        Some(Exit::Signal {
            number,
            core_dumped,
        }) => (None, Some(i32::from(number)), core_dumped),
        None => (None, None, false),
    };
    pb::Process {
        state: state.into(),
        pid: facts.pid,
        program: facts.program.clone(),
        started_at: Some(timestamp(facts.started_at)),
        shutdown_requested_at: facts.shutdown_requested_at.map(timestamp),
        exited_at: facts.exited_at.map(timestamp),
        exit_code,
        exit_signal,
        core_dumped,
        requested: facts.requested,
        force_at: facts.force_at.map(timestamp),
        kill_at: facts.kill_at.map(timestamp),
        after_exit: facts.after_exit.as_ref().map(after_exit),
        webhooks: facts.webhooks.iter().map(delivery).collect(),
        outcome: facts.outcome.map(outcome).unwrap_or_default().into(),
        signals: facts.signals.iter().map(sent_signal).collect(),
    }
}

fn outcome(outcome: Outcome) -> pb::process::Outcome {
    match outcome {
        Outcome::Drained => pb::process::Outcome::Drained,
        Outcome::Failed => pb::process::Outcome::Failed,
        Outcome::Aborted => pb::process::Outcome::Aborted,
        Outcome::Killed => pb::process::Outcome::Killed,
        Outcome::Unasked => pb::process::Outcome::Unasked,
        Outcome::Lost => pb::process::Outcome::Lost,
    }
}

fn sent_signal(sent: &StageSignal) -> pb::SentSignal {
    let cause = match sent.cause {
        SignalCause::Request => pb::sent_signal::Cause::Request,
        SignalCause::Deadline => pb::sent_signal::Cause::Deadline,
        SignalCause::Forwarded => pb::sent_signal::Cause::Forwarded,
    };
    pb::SentSignal {
        number: sent.signal.number(),
        name: sent.signal.to_string(),
        sent_at: Some(timestamp(sent.sent_at)),
        cause: cause.into(),
    }
}

fn after_exit(facts: &AfterExitFacts) -> pb::AfterExit {
    use pb::after_exit::Phase;
    let (phase, exit, error) = match facts {
        AfterExitFacts::Pending => (Phase::Pending, None, ""),
        AfterExitFacts::Running => (Phase::Running, None, ""),
        AfterExitFacts::Ended(exit) => (Phase::Ended, Some(*exit), ""),
        AfterExitFacts::FailedToStart(error) => (Phase::FailedToStart, None, error.as_str()),
        AfterExitFacts::TimedOut(exit) => (Phase::TimedOut, Some(*exit), ""),
    };
    let (exit_code, exit_signal) = match exit {
        Some(Exit::Code(code)) => (Some(i32::from(code)), None),
        Some(Exit::Signal { number, .. }) => (None, Some(i32::from(number))),
        None => (None, None),
    };
    pb::AfterExit {
        phase: phase.into(),
        exit_code,
        exit_signal,
        error: error.to_owned(),
    }
}

fn delivery(delivery: &Delivery) -> pb::WebhookDelivery {
    let phase = match delivery.state {
        DeliveryState::Pending => pb::webhook_delivery::Phase::Pending,
        DeliveryState::Delivered => pb::webhook_delivery::Phase::Delivered,
        DeliveryState::Failed => pb::webhook_delivery::Phase::Failed,
    };
    pb::WebhookDelivery {
        id: delivery.id.clone(),
        target: delivery.target.clone(),
        phase: phase.into(),
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt_at.map(timestamp),
        last_error: delivery.last_error.clone(),
        recovered: delivery.recovered,
    }
}

/// The status for a request that was not carried out.
pub(super) fn refused(error: &RequestError) -> Status {
    let (code, rest) = match error {
        RequestError::Signal(_) => (
            Code::Internal,
            "nothing remains of this request; the next one tries again",
        ),
        RequestError::Webhook(error) => match error.reject_reason() {
            RejectReason::Limit => (Code::ResourceExhausted, "nothing was signalled"),
            RejectReason::Policy => (Code::PermissionDenied, "nothing was signalled"),
            RejectReason::NotDurable => (
                Code::Unavailable,
                "nothing was signalled; free the disk, or ask without a webhook",
            ),
        },
        RequestError::Ineffective => (
            Code::FailedPrecondition,
            "start the wrapper with --kill-after, or send kill_after; nothing was signalled",
        ),
        RequestError::Leaving => (Code::Unavailable, "ask again without a webhook"),
    };
    Status::new(code, format!("{error}; {rest}"))
}

fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    prost_types::Timestamp::from(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_duration_is_refused_by_the_name_of_its_field() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (-1, 5), (3, -3)] {
            let status = duration(
                "kill_after",
                Some(&prost_types::Duration { seconds, nanos }),
            )
            .unwrap_err();
            assert_eq!(status.code, Code::InvalidArgument);
            assert!(status.message.starts_with("kill_after is negative"));
        }
    }

    #[test]
    fn zero_and_the_longest_duration_are_accepted() {
        for (seconds, nanos) in [(0, 0), (i64::MAX, 999_999_999)] {
            let value = prost_types::Duration { seconds, nanos };
            assert!(duration("force_after", Some(&value)).unwrap().is_some());
        }
        assert_eq!(duration("force_after", None).unwrap(), None);
    }

    #[test]
    fn unknown_states_are_refused() {
        assert_eq!(wanted_state(0).unwrap(), None);
        assert_eq!(wanted_state(3).unwrap(), Some(State::Gone));
        for number in [-1, 4, i32::MAX] {
            assert_eq!(
                wanted_state(number).unwrap_err().code,
                Code::InvalidArgument
            );
        }
    }
}
