//! The progress line of a wait.
//!
//! Owns its text. It never draws it.

use std::time::{Duration, SystemTime};

use super::durations;
use super::phrases::CONNECTING;
use super::row::{Row, RowOutcome};
use crate::client::State;

/// The progress of one wrapper.
#[derive(Debug, Clone)]
pub(super) struct WrapperProgress {
    pub(super) row: Row,
    /// Whether the row is the final one.
    pub(super) ended: bool,
}

impl WrapperProgress {
    pub(super) const fn new(address: String) -> Self {
        Self {
            row: Row::connecting(address),
            ended: false,
        }
    }
}

/// `shutting_down, 1m5s elapsed, abort in 55s`; counts by state for several wrappers.
pub(super) fn render(
    wrappers: &[WrapperProgress],
    elapsed: Duration,
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> String {
    let mut text = match wrappers {
        [one] if !one.ended => one
            .row
            .process()
            .map_or(CONNECTING, |process| process.state.as_str())
            .to_owned(),
        wrappers => counts(wrappers),
    };
    text.push_str(&format!(", {} elapsed", durations::rounded(elapsed)));
    if let Some((what, left)) = next_deadline(wrappers, timeout_in, now) {
        text.push_str(&format!(", {what} in {}", durations::rounded(left)));
    }
    text
}

fn counts(wrappers: &[WrapperProgress]) -> String {
    let ended = |wanted: fn(RowOutcome) -> bool| {
        let is = |one: &&WrapperProgress| one.ended && wanted(one.row.outcome);
        wrappers.iter().filter(is).count()
    };
    let in_state = |wanted: Option<State>| {
        let is = |one: &&WrapperProgress| {
            !one.ended && one.row.process().map(|process| process.state) == wanted
        };
        wrappers.iter().filter(is).count()
    };
    let aborted = ended(|outcome| outcome == RowOutcome::ProcessAborted);
    let done = ended(|outcome| outcome == RowOutcome::Done);
    let rest = [
        (aborted, "aborted"),
        (ended(|_| true) - aborted - done, "failed"),
        (
            in_state(Some(State::ShuttingDown)),
            State::ShuttingDown.as_str(),
        ),
        (in_state(Some(State::Running)), State::Running.as_str()),
        (in_state(None), CONNECTING),
    ];
    let mut text = format!("{done} of {} done", wrappers.len());
    for (count, word) in rest {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// The next deadline and the time left.
fn next_deadline(
    wrappers: &[WrapperProgress],
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> Option<(&'static str, Duration)> {
    let waiting = wrappers.iter().filter(|one| !one.ended);
    let of_processes = waiting
        .filter_map(|one| one.row.process())
        .flat_map(|process| {
            [
                process.force_at.map(|at| ("abort", at)),
                process.kill_at.map(|at| ("SIGKILL", at)),
            ]
        });
    of_processes
        .flatten()
        // The wrapper has sent an overdue signal already.
        .filter_map(|(what, at)| Some((what, at.duration_since(now).ok()?)))
        .chain(timeout_in.map(|left| ("timeout", left)))
        .min_by_key(|(_, left)| *left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::RowAnswer;
    use crate::cli::client::row::tests::process;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const MINUTE: Duration = Duration::from_secs(60);

    fn waiting(state: State, force_in: Option<Duration>) -> WrapperProgress {
        let mut process = process(state, None);
        process.force_at = force_in.map(|left| NOW + left);
        let mut one = connecting();
        one.row.answer = RowAnswer::Process(Box::new(process));
        one
    }

    fn connecting() -> WrapperProgress {
        WrapperProgress::new("unix:///a".to_owned())
    }

    fn ended(outcome: RowOutcome) -> WrapperProgress {
        let mut one = connecting();
        one.row.outcome = outcome;
        one.ended = true;
        one
    }

    #[test]
    fn one_wrapper_shows_state_and_nearest_deadline() {
        let wrappers = [waiting(State::ShuttingDown, Some(MINUTE))];
        let render = |timeout| render(&wrappers, Duration::from_secs(65), timeout, NOW);
        assert_eq!(render(None), "shutting_down, 1m5s elapsed, abort in 1m");
        assert_eq!(
            render(Some(2 * MINUTE)),
            "shutting_down, 1m5s elapsed, abort in 1m"
        );
        assert_eq!(
            render(Some(MINUTE / 2)),
            "shutting_down, 1m5s elapsed, timeout in 30s"
        );
    }

    #[test]
    fn several_wrappers_show_counts() {
        let wrappers = [
            ended(RowOutcome::Done),
            ended(RowOutcome::Unreachable),
            ended(RowOutcome::ProcessAborted),
            waiting(State::ShuttingDown, None),
            waiting(State::ShuttingDown, None),
            connecting(),
        ];
        assert_eq!(
            render(&wrappers, MINUTE, None, NOW),
            "1 of 6 done, 1 aborted, 1 failed, 2 shutting_down, 1 connecting, 1m elapsed"
        );
    }

    #[test]
    fn a_passed_deadline_is_hidden() {
        let late = [waiting(State::ShuttingDown, Some(MINUTE))];
        assert_eq!(
            render(&late, MINUTE, None, NOW + 2 * MINUTE),
            "shutting_down, 1m elapsed"
        );
    }
}
