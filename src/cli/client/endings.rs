//! How a process ended and which signals it got, as text for people.
//!
//! Owns the phrases of outcomes and signals. It never prints.

use std::time::{Duration, SystemTime};

use super::durations::{rounded, tenths};
use crate::client::{Outcome, Process, SentSignal, SignalCause};
use crate::human_duration::HumanDuration;
use crate::log::escaped;
use crate::signal::Signal;

/// Shorter times show tenths of a second.
const BRIEF: Duration = Duration::from_secs(1);

/// `aborted by SIGTERM after 2s (--force-after)` and the like: the text after the exit status.
pub(super) fn ending(process: &Process) -> String {
    let since_request = |time: Option<SystemTime>| since(process.shutdown_requested_at, time);
    // A stop signal may be forwarded after the KILL.
    let by_last_signal = |word: &str, kill: bool| match process
        .signals
        .iter()
        .rfind(|sent| (sent.number == Signal::KILL.number()) == kill)
    {
        Some(sent) => format!(
            "{word} by {}{}{}",
            escaped(&sent.name),
            since_request(sent.sent_at),
            cause(sent)
        ),
        None => word.to_owned(),
    };
    match process.outcome {
        Some(Outcome::Drained) => format!("drained{}", since_request(process.exited_at)),
        Some(Outcome::Failed) => format!("drain failed{}", since_request(process.exited_at)),
        Some(Outcome::Aborted) => by_last_signal("aborted", false),
        Some(Outcome::Killed) => by_last_signal("killed", true),
        Some(Outcome::Unasked) => "unasked".to_owned(),
        Some(Outcome::Lost) => "its end was not seen".to_owned(),
        None if process.requested => "as asked".to_owned(),
        None => "unasked".to_owned(),
    }
}

/// `SIGTERM sent 2s ago (--force-after)`; `None` before the first signal.
pub(super) fn sent(process: &Process, now: SystemTime) -> Option<String> {
    let sent = process.signals.last()?;
    let ago = match sent.sent_at {
        Some(at) => format!(
            " {} ago",
            rounded(now.duration_since(at).unwrap_or_default())
        ),
        None => String::new(),
    };
    // That it was requested, the words before say.
    let cause = match sent.cause {
        Some(SignalCause::Request) => "",
        Some(SignalCause::Deadline | SignalCause::Forwarded) | None => cause(sent),
    };
    Some(format!("{} sent{ago}{cause}", escaped(&sent.name)))
}

/// ` after 2s`; empty where a time is not known.
fn since(from: Option<SystemTime>, to: Option<SystemTime>) -> String {
    let (Some(from), Some(to)) = (from, to) else {
        return String::new();
    };
    let duration = to.duration_since(from).unwrap_or_default();
    let short: HumanDuration = match duration < BRIEF {
        true => tenths(duration),
        false => rounded(duration),
    };
    format!(" after {short}")
}

fn cause(sent: &SentSignal) -> &'static str {
    match sent.cause {
        Some(SignalCause::Request) => " (on request)",
        Some(SignalCause::Deadline) if sent.number == Signal::KILL.number() => " (--kill-after)",
        Some(SignalCause::Deadline) => " (--force-after)",
        Some(SignalCause::Forwarded) => " (forwarded)",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::tests::process;
    use crate::client::{Exit, State};

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn sent(name: &str, number: i32, after: u64, cause: Option<SignalCause>) -> SentSignal {
        SentSignal {
            number,
            name: name.to_owned(),
            sent_at: Some(START + Duration::from_secs(after)),
            cause,
        }
    }

    fn gone(outcome: Option<Outcome>, signals: Vec<SentSignal>) -> Process {
        Process {
            shutdown_requested_at: Some(START),
            exited_at: Some(START + Duration::from_secs(3_725)),
            outcome,
            signals,
            ..process(State::Gone, Some(Exit::Code(0)))
        }
    }

    #[test]
    fn each_outcome_has_its_phrase() {
        let quit = || sent("SIGQUIT", 3, 0, Some(SignalCause::Request));
        let term = |cause| vec![quit(), sent("SIGTERM", 15, 2, cause)];
        let kill = |cause| vec![quit(), sent("SIGKILL", 9, 62, Some(cause))];
        for (outcome, signals, expected) in [
            (Outcome::Drained, vec![quit()], "drained after 1h2m"),
            (Outcome::Failed, vec![quit()], "drain failed after 1h2m"),
            (
                Outcome::Aborted,
                term(Some(SignalCause::Deadline)),
                "aborted by SIGTERM after 2s (--force-after)",
            ),
            (
                Outcome::Aborted,
                term(Some(SignalCause::Request)),
                "aborted by SIGTERM after 2s (on request)",
            ),
            (
                Outcome::Aborted,
                term(Some(SignalCause::Forwarded)),
                "aborted by SIGTERM after 2s (forwarded)",
            ),
            (Outcome::Aborted, term(None), "aborted by SIGTERM after 2s"),
            (Outcome::Aborted, Vec::new(), "aborted"),
            (
                Outcome::Killed,
                kill(SignalCause::Deadline),
                "killed by SIGKILL after 1m2s (--kill-after)",
            ),
            (
                Outcome::Killed,
                kill(SignalCause::Forwarded),
                "killed by SIGKILL after 1m2s (forwarded)",
            ),
            (Outcome::Unasked, Vec::new(), "unasked"),
            (Outcome::Lost, Vec::new(), "its end was not seen"),
        ] {
            assert_eq!(ending(&gone(Some(outcome), signals)), expected);
        }
    }

    #[test]
    fn a_wrapper_that_tells_no_outcome_has_a_phrase() {
        let mut old = gone(None, Vec::new());
        assert_eq!(ending(&old), "unasked");
        old.requested = true;
        assert_eq!(ending(&old), "as asked");
    }

    #[test]
    fn the_last_signal_is_told_with_its_age_and_what_no_caller_knows() {
        let now = START + Duration::from_secs(20);
        let mut draining = process(State::ShuttingDown, None);
        assert_eq!(super::sent(&draining, now), None);
        let request = Some(SignalCause::Request);
        draining.signals.push(sent("SIGQUIT", 3, 0, request));
        assert_eq!(super::sent(&draining, now).unwrap(), "SIGQUIT sent 20s ago");
        let deadline = Some(SignalCause::Deadline);
        draining.signals.push(sent("SIGTERM", 15, 18, deadline));
        assert_eq!(
            super::sent(&draining, now).unwrap(),
            "SIGTERM sent 2s ago (--force-after)"
        );
        draining.signals.push(sent("\x1b]0;x\x07", 15, 18, None));
        assert!(!super::sent(&draining, now).unwrap().contains('\x1b'));
    }
}
