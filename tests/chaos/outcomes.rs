//! What the wrapper says about the shutdown: the signals that it sent, and the outcome.
//!
//! Owns the rules that hold in every answer. The graceful signal is QUIT in all rounds. It never
//! asks the wrapper.

use std::time::{Duration, SystemTime};

use process_wrapper::pb::process_wrapper::v1::process::Outcome;
use process_wrapper::pb::process_wrapper::v1::sent_signal::Cause;
use process_wrapper::pb::process_wrapper::v1::{Process, SentSignal, State};

const QUIT: &str = "SIGQUIT";

/// From the graceful signal to one that the wrapper sends on its own account, less what the wall
/// clock may be adjusted by.
const SPACING: Duration = Duration::from_millis(245);

/// From a signal to its repetition, likewise.
const REPEAT: Duration = Duration::from_millis(995);

/// Asserts that the facts of one answer agree with each other; `repeats` is whether a request has
/// asked to repeat a signal.
pub(crate) fn check(process: &Process, repeats: bool) {
    let expected = match process.state() {
        State::Gone => outcome(process),
        State::Unknown | State::Running | State::ShuttingDown => Outcome::Unknown,
    };
    assert_eq!(process.outcome(), expected, "{process:?}");
    assert!(
        process.requested || process.signals.is_empty(),
        "a signal of a stage means that the exit is requested: {process:?}"
    );
    for pair in process.signals.windows(2) {
        let [before, after] = pair else { continue };
        let own = after.cause() != Cause::Forwarded;
        match (&*before.name, &*after.name) {
            (QUIT, QUIT) => assert!(
                repeats && after.cause() == Cause::Request && apart(before, after) >= REPEAT,
                "the graceful signal was sent twice: {process:?}"
            ),
            (_, QUIT) => panic!("a graceful signal after the abort: {process:?}"),
            (QUIT, _) => assert!(
                !own || apart(before, after) >= SPACING,
                "a Go program would drop the second signal: {process:?}"
            ),
            _ => {}
        }
    }
}

/// How a process with these facts has ended, as the API describes it.
fn outcome(process: &Process) -> Outcome {
    let sent = |name: &str| process.signals.iter().any(|signal| signal.name == name);
    if !process.requested {
        Outcome::Unasked
    } else if sent("SIGKILL") {
        Outcome::Killed
    } else if process.signals.iter().any(|signal| signal.name != QUIT) {
        Outcome::Aborted
    } else if process.exit_code == Some(0) {
        Outcome::Drained
    } else {
        Outcome::Failed
    }
}

fn apart(before: &SentSignal, after: &SentSignal) -> Duration {
    let time = |signal: &SentSignal| SystemTime::try_from(signal.sent_at.unwrap()).unwrap();
    time(after).duration_since(time(before)).unwrap_or_default()
}
