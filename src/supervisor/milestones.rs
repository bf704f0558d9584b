//! What happens once in the life of the process, and who waits for it.
//!
//! Owns the calls that wait, of which there can be ten thousand: each is woken by what it waits for and by nothing
//! else, so that a request that changes nothing costs them nothing. It never knows how far the process has come.

use event_listener::{Event, EventListener};

use crate::lifecycle::State;

/// How many are woken together: about as many as a few connections have, so that their answers are written while
/// what belongs to them is in the processor's cache, and before the next ones make theirs. On 2 cores the last of
/// ten thousand was answered after 44 ms with this, 57 ms with all of them at once, and 53 ms with 16.
const AT_ONCE: usize = 256;

/// What happens once; the order is that in which it happens, and none is left out for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// The process was asked to stop, or has exited.
    ShuttingDown,
    /// The process has exited and has been reaped.
    Gone,
    /// The wrapper is about to leave: it takes no more calls, and those that run should end.
    Leaving,
}

impl Milestone {
    const ALL: [Self; 3] = [Self::ShuttingDown, Self::Gone, Self::Leaving];

    /// What is reached with `state`; a process runs from the start.
    pub(super) const fn of(state: State) -> Option<Self> {
        match state {
            State::Running => None,
            State::ShuttingDown => Some(Self::ShuttingDown),
            State::Gone => Some(Self::Gone),
        }
    }

    /// What comes after `passed`.
    pub(super) fn after(passed: Option<Self>) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|next| Some(*next) > passed)
    }
}

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    shutting_down: Event,
    gone: Event,
    leaving: Event,
}

impl Waiters {
    /// Completes when the milestone has been reached, for somebody who knows that it has not been yet.
    pub(super) fn listen(&self, milestone: Milestone) -> EventListener {
        self.event(milestone).listen()
    }

    /// Wakes some of those who wait for `reached` or for what comes before it; whether there are more.
    /// It is to be called again when these have had their turn.
    pub(super) fn wake_some(&self, reached: Milestone) -> bool {
        let passed = Milestone::ALL.into_iter().filter(|one| *one <= reached);
        for event in passed.map(|milestone| self.event(milestone)) {
            let waiting = event.total_listeners();
            event.notify_additional(AT_ONCE);
            if waiting > AT_ONCE {
                return true;
            }
        }
        false
    }

    const fn event(&self, milestone: Milestone) -> &Event {
        match milestone {
            Milestone::ShuttingDown => &self.shutting_down,
            Milestone::Gone => &self.gone,
            Milestone::Leaving => &self.leaving,
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;

    /// How many of `listeners` are woken, and are gone from now on.
    fn woken(listeners: &mut Vec<EventListener>) -> usize {
        let before = listeners.len();
        listeners.retain_mut(|listener| block_on(poll_once(listener)).is_none());
        before - listeners.len()
    }

    #[test]
    fn nobody_is_woken_by_what_comes_before_that_for_which_he_waits() {
        let waiters = Waiters::default();
        let mut listeners = vec![
            waiters.listen(Milestone::Gone),
            waiters.listen(Milestone::Leaving),
        ];
        assert!(!waiters.wake_some(Milestone::ShuttingDown));
        assert_eq!(woken(&mut listeners), 0);
        assert!(!waiters.wake_some(Milestone::Gone));
        assert_eq!(woken(&mut listeners), 1);
        assert!(!waiters.wake_some(Milestone::Leaving));
        assert_eq!(woken(&mut listeners), 1);
    }

    #[test]
    fn many_are_woken_some_at_a_time_until_all_have_been() {
        let waiters = Waiters::default();
        let mut listeners: Vec<_> = [Milestone::Gone, Milestone::ShuttingDown]
            .into_iter()
            .flat_map(|milestone| (0..2 * AT_ONCE + 1).map(move |_| milestone))
            .map(|milestone| waiters.listen(milestone))
            .collect();
        let mut rounds = Vec::new();
        loop {
            let more = waiters.wake_some(Milestone::Gone);
            rounds.push(woken(&mut listeners));
            if !more {
                break;
            }
        }
        // The last of those who wait for the earlier one come with the first of the others.
        assert_eq!(rounds, [AT_ONCE, AT_ONCE, 1 + AT_ONCE, AT_ONCE, 1]);
        assert!(listeners.is_empty());
    }

    #[test]
    fn milestones_follow_each_other_to_the_last() {
        let mut passed = None;
        let mut seen = Vec::new();
        while let Some(next) = Milestone::after(passed) {
            seen.push(next);
            passed = Some(next);
        }
        assert_eq!(seen, Milestone::ALL);
    }
}
