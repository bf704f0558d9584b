//! New answers within the state `shutting_down`, for a person who looks at a terminal.
//!
//! Owns when a wrapper is asked again for its signals and deadlines. It never asks while only a
//! program reads, nor follows the states: `crate::client` does.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use super::live::{Live, PERIOD};
use crate::client::{Client, Process, State};
use crate::clock::{Clock, MonotonicClock};

/// The age of an answer at which the next one is due.
const MAX_AGE: Duration = Duration::from_secs(5);

/// How long after a deadline its signal is sent at the latest.
const GRACE: Duration = Duration::from_millis(200);

/// Asks the wrapper `n` again as long as its process is shutting down and its state is drawn.
pub(super) async fn keep_fresh(n: usize, client: &Client, live: &Live) -> Infallible {
    let mut asked = SystemTime::now();
    loop {
        MonotonicClock.sleep(PERIOD).await;
        let now = SystemTime::now();
        let Some(shown) = live.drawn(n).filter(|shown| is_due(shown, asked, now)) else {
            continue;
        };
        asked = now;
        // The wait reports errors, the end and a successor.
        if let Ok(process) = client.state().await
            && process.state == shown.state
            && process.is_same_as(&shown)
        {
            live.update(n, &process);
        }
    }
}

/// Whether the answer from `asked` may lack a signal or a deadline.
fn is_due(process: &Process, asked: SystemTime, now: SystemTime) -> bool {
    let is_old = now.duration_since(asked).map_or(true, |age| age >= MAX_AGE);
    let mut deadlines = [process.force_at, process.kill_at].into_iter().flatten();
    process.state == State::ShuttingDown
        && (is_old
            || deadlines.any(|at| {
                let sent = at.checked_add(GRACE);
                sent.is_some_and(|sent| (asked..now).contains(&sent))
            }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::row::tests::process;

    #[test]
    fn an_answer_is_due_after_a_deadline_and_when_the_last_one_is_old() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut shutting_down = process(State::ShuttingDown, None);
        shutting_down.force_at = Some(at(102));
        let due = |now| is_due(&shutting_down, at(100), at(now));
        assert_eq!([101, 102, 103, 105].map(due), [false, false, true, true]);
        shutting_down.force_at = Some(at(90));
        assert!(!is_due(&shutting_down, at(100), at(101)), "asked since");
        assert!(is_due(&shutting_down, at(100), at(50)), "the clock was set");
        for state in [State::Running, State::Gone] {
            assert!(!is_due(&process(state, None), at(100), at(200)));
        }
    }
}
