//! The line that shows how a wait stands, on a terminal.
//!
//! Owns one line on stderr: it is drawn over and removed at the end, and where stderr is no terminal it does
//! not exist. What it says is pure.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::row::RowOutcome;
use super::{phrases, terminal};
use crate::client::{Process, State};
use crate::clock::{Clock, MonotonicClock};

/// How often the line is drawn when nothing happens: it counts seconds.
const PERIOD: Duration = Duration::from_secs(1);

/// To the line's start, and remove what is there (ECMA-48, CR and EL).
const ERASE: &str = "\r\x1b[K";

/// How one wrapper stands.
#[derive(Debug, Clone)]
enum LiveProgress {
    Connecting,
    Waiting(Box<Process>),
    Ended(RowOutcome),
}

/// The line. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Live {
    board: Rc<RefCell<Vec<LiveProgress>>>,
    since: Instant,
    /// When the wait ends at the latest.
    deadline: Option<Instant>,
    visible: bool,
}

impl Live {
    /// The line for so many wrappers; shown only if it is wanted and stderr is a terminal.
    pub(super) fn new(wrappers: usize, wanted: bool, deadline: Option<Instant>) -> Self {
        Self {
            board: Rc::new(RefCell::new(vec![LiveProgress::Connecting; wrappers])),
            since: Instant::now(),
            deadline,
            visible: wanted && terminal::stderr_can_redraw(),
        }
    }

    /// The nth wrapper has said this.
    pub(super) fn saw(&self, n: usize, process: &Process) {
        self.set(n, LiveProgress::Waiting(Box::new(process.clone())));
    }

    /// The nth wrapper is waited for no longer.
    pub(super) fn ended(&self, n: usize, outcome: RowOutcome) {
        self.set(n, LiveProgress::Ended(outcome));
    }

    fn set(&self, n: usize, progress: LiveProgress) {
        if let Some(place) = self.board.borrow_mut().get_mut(n) {
            *place = progress;
        }
        self.draw();
    }

    /// Draws for as long as the future is polled.
    pub(super) async fn tick(&self) {
        if !self.visible {
            return std::future::pending().await;
        }
        loop {
            self.draw();
            MonotonicClock.sleep(PERIOD).await;
        }
    }

    fn draw(&self) {
        if self.visible {
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let text = say(
                &self.board.borrow(),
                self.since.elapsed(),
                left,
                SystemTime::now(),
            );
            // One column stays free: a cursor behind the last one may have wrapped already.
            let width = terminal::stderr_columns().saturating_sub(1);
            let text: String = text.chars().take(width).collect();
            terminal::write_stderr(&format!("{ERASE}{text}"));
        }
    }

    /// Removes the line. What follows begins where it stood.
    pub(super) fn erase(mut self) {
        if self.visible {
            self.visible = false;
            terminal::write_stderr(ERASE);
        }
    }
}

/// `shutting_down, 1m5s elapsed, SIGTERM in 55s`; of several wrappers how many stand where.
fn say(
    board: &[LiveProgress],
    elapsed: Duration,
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> String {
    let mut text = match board {
        [LiveProgress::Waiting(process)] => process.state.as_str().to_owned(),
        [LiveProgress::Connecting] => "connecting".to_owned(),
        board => counts(board),
    };
    text.push_str(&format!(", {} elapsed", phrases::span(elapsed)));
    if let Some((what, left)) = next_deadline(board, timeout_in, now) {
        text.push_str(&format!(", {what} in {}", phrases::span(left)));
    }
    text
}

fn counts(board: &[LiveProgress]) -> String {
    let count = |wanted: fn(&LiveProgress) -> bool| board.iter().filter(|p| wanted(p)).count();
    let in_state = |wanted: State| {
        let is = |p: &&LiveProgress| matches!(p, LiveProgress::Waiting(process) if process.state == wanted);
        board.iter().filter(is).count()
    };
    let failed = |p: &LiveProgress| matches!(p, LiveProgress::Ended(outcome) if *outcome != RowOutcome::Done);
    let rest = [
        (count(failed), "failed"),
        (in_state(State::ShuttingDown), State::ShuttingDown.as_str()),
        (in_state(State::Running), State::Running.as_str()),
        (
            count(|p| matches!(p, LiveProgress::Connecting)),
            "connecting",
        ),
    ];
    let done = count(|p| matches!(p, LiveProgress::Ended(RowOutcome::Done)));
    let mut text = format!("{done} of {} done", board.len());
    for (count, word) in rest {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// What happens next by time alone, and in how long.
fn next_deadline(
    board: &[LiveProgress],
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> Option<(&'static str, Duration)> {
    let of_processes = board.iter().flat_map(|progress| match progress {
        LiveProgress::Waiting(process) => vec![
            process.force_at.map(|at| ("SIGTERM", at)),
            process.kill_at.map(|at| ("SIGKILL", at)),
        ],
        LiveProgress::Connecting | LiveProgress::Ended(_) => Vec::new(),
    });
    of_processes
        .flatten()
        // What is overdue has been sent.
        .filter_map(|(what, at)| Some((what, at.duration_since(now).ok()?)))
        .chain(timeout_in.map(|left| ("timeout", left)))
        .min_by_key(|(_, left)| *left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::tests::process;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const MINUTE: Duration = Duration::from_secs(60);

    fn waiting(state: State, force_in: Option<Duration>) -> LiveProgress {
        let mut process = process(state, None);
        process.force_at = force_in.map(|left| NOW + left);
        LiveProgress::Waiting(Box::new(process))
    }

    #[test]
    fn one_wrapper_is_told_by_its_state_and_its_nearest_deadline() {
        let board = [waiting(State::ShuttingDown, Some(MINUTE))];
        let say = |timeout| say(&board, Duration::from_secs(65), timeout, NOW);
        assert_eq!(say(None), "shutting_down, 1m5s elapsed, SIGTERM in 1m");
        assert_eq!(
            say(Some(2 * MINUTE)),
            "shutting_down, 1m5s elapsed, SIGTERM in 1m"
        );
        assert_eq!(
            say(Some(MINUTE / 2)),
            "shutting_down, 1m5s elapsed, timeout in 30s"
        );
    }

    #[test]
    fn several_wrappers_are_counted() {
        let board = [
            LiveProgress::Ended(RowOutcome::Done),
            LiveProgress::Ended(RowOutcome::Unreachable),
            waiting(State::ShuttingDown, None),
            waiting(State::ShuttingDown, None),
            LiveProgress::Connecting,
        ];
        assert_eq!(
            say(&board, MINUTE, None, NOW),
            "1 of 5 done, 1 failed, 2 shutting_down, 1 connecting, 1m elapsed"
        );
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_shown() {
        let late = [waiting(State::ShuttingDown, Some(MINUTE))];
        assert_eq!(
            say(&late, MINUTE, None, NOW + 2 * MINUTE),
            "shutting_down, 1m elapsed"
        );
    }
}
