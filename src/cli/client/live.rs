//! The progress line of a wait, on a terminal.
//!
//! Owns one line on stderr, which it redraws and finally erases. It draws nothing where stderr is
//! no terminal. The text is a pure function.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::row::RowOutcome;
use super::{durations, terminal};
use crate::cli::complain;
use crate::client::{Process, State};
use crate::clock::{Clock, MonotonicClock};
use crate::log::escaped;

/// The redraw interval without updates; the line counts seconds.
const PERIOD: Duration = Duration::from_secs(1);

/// Moves to the start of the line and clears it (ECMA-48, CR and EL).
const ERASE: &str = "\r\x1b[K";

/// The progress of one wrapper.
#[derive(Debug, Clone)]
enum LiveProgress {
    Connecting,
    Waiting(Box<Process>),
    Ended(RowOutcome),
}

/// The line. Clones share the state.
#[derive(Debug, Clone)]
pub(super) struct Live {
    progress: Rc<RefCell<Vec<LiveProgress>>>,
    since: Instant,
    /// The end of the wait.
    deadline: Option<Instant>,
    visible: bool,
}

impl Live {
    /// Shown only if `wanted` and stderr is a terminal.
    pub(super) fn new(wrappers: usize, wanted: bool, deadline: Option<Instant>) -> Self {
        Self {
            progress: Rc::new(RefCell::new(vec![LiveProgress::Connecting; wrappers])),
            since: Instant::now(),
            deadline,
            visible: wanted && terminal::stderr_can_redraw(),
        }
    }

    /// Records an update of wrapper `n`.
    pub(super) fn update(&self, n: usize, process: &Process) {
        self.set(n, LiveProgress::Waiting(Box::new(process.clone())));
    }

    /// Records the outcome of wrapper `n`.
    pub(super) fn ended(&self, n: usize, outcome: RowOutcome) {
        self.set(n, LiveProgress::Ended(outcome));
    }

    fn set(&self, n: usize, progress: LiveProgress) {
        if let Some(entry) = self.progress.borrow_mut().get_mut(n) {
            *entry = progress;
        }
        self.draw();
    }

    /// Redraws the line each second, forever.
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
            let text = render(
                &self.progress.borrow(),
                self.since.elapsed(),
                left,
                SystemTime::now(),
            );
            // One column stays free: some terminals wrap once the last column is written.
            let width = terminal::stderr_columns().saturating_sub(1);
            let text: String = text.chars().take(width).collect();
            terminal::write_stderr(&format!("{ERASE}{text}"));
        }
    }

    /// Writes a warning above the line.
    pub(super) fn warn(&self, text: &str) {
        if self.visible {
            terminal::write_stderr(ERASE);
        }
        complain(&escaped(text));
        self.draw();
    }

    /// Clears the line, so that later output starts there.
    pub(super) fn erase(mut self) {
        if self.visible {
            self.visible = false;
            terminal::write_stderr(ERASE);
        }
    }
}

/// `shutting_down, 1m5s elapsed, abort in 55s`; counts by state for several wrappers.
fn render(
    wrappers: &[LiveProgress],
    elapsed: Duration,
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> String {
    let mut text = match wrappers {
        [LiveProgress::Waiting(process)] => process.state.as_str().to_owned(),
        [LiveProgress::Connecting] => "connecting".to_owned(),
        wrappers => counts(wrappers),
    };
    text.push_str(&format!(", {} elapsed", durations::rounded(elapsed)));
    if let Some((what, left)) = next_deadline(wrappers, timeout_in, now) {
        text.push_str(&format!(", {what} in {}", durations::rounded(left)));
    }
    text
}

fn counts(wrappers: &[LiveProgress]) -> String {
    let count = |wanted: fn(&LiveProgress) -> bool| wrappers.iter().filter(|p| wanted(p)).count();
    let in_state = |wanted: State| {
        let is = |p: &&LiveProgress| matches!(p, LiveProgress::Waiting(process) if process.state == wanted);
        wrappers.iter().filter(is).count()
    };
    let ended = |counted: fn(RowOutcome) -> bool| {
        let is = |p: &&LiveProgress| matches!(p, LiveProgress::Ended(outcome) if counted(*outcome));
        wrappers.iter().filter(is).count()
    };
    let aborted = ended(|outcome| outcome == RowOutcome::ProcessAborted);
    let done = ended(|outcome| outcome == RowOutcome::Done);
    let rest = [
        (aborted, "aborted"),
        (ended(|_| true) - aborted - done, "failed"),
        (in_state(State::ShuttingDown), State::ShuttingDown.as_str()),
        (in_state(State::Running), State::Running.as_str()),
        (
            count(|p| matches!(p, LiveProgress::Connecting)),
            "connecting",
        ),
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
    wrappers: &[LiveProgress],
    timeout_in: Option<Duration>,
    now: SystemTime,
) -> Option<(&'static str, Duration)> {
    let of_processes = wrappers.iter().flat_map(|progress| match progress {
        LiveProgress::Waiting(process) => vec![
            process.force_at.map(|at| ("abort", at)),
            process.kill_at.map(|at| ("SIGKILL", at)),
        ],
        LiveProgress::Connecting | LiveProgress::Ended(_) => Vec::new(),
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
    use crate::cli::client::row::tests::process;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const MINUTE: Duration = Duration::from_secs(60);

    fn waiting(state: State, force_in: Option<Duration>) -> LiveProgress {
        let mut process = process(state, None);
        process.force_at = force_in.map(|left| NOW + left);
        LiveProgress::Waiting(Box::new(process))
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
            LiveProgress::Ended(RowOutcome::Done),
            LiveProgress::Ended(RowOutcome::Unreachable),
            LiveProgress::Ended(RowOutcome::ProcessAborted),
            waiting(State::ShuttingDown, None),
            waiting(State::ShuttingDown, None),
            LiveProgress::Connecting,
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
