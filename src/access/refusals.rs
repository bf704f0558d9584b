//! Delays of answers to wrong tokens.
//!
//! Owns the counts of wrong tokens, per peer and for a listener, and the delay that follows. It
//! never sees a token: a good one is not counted and never waits. Time is an argument.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::peer_group::PeerGroup;
use super::throttle::Throttle;

/// Peers that are counted, about 100 bytes each. For one more, the one with the lowest count is
/// forgotten.
pub const MAX_PEERS: usize = 1024;

/// Wrong tokens of a peer that are answered without its own delay: a client may hold an old token.
const FREE: u32 = 5;

/// The first delay of an answer, which doubles with each wrong token.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay of an answer, shorter than the patience of clients (5 s by default): they
/// should read why they are refused.
pub const LONGEST_DELAY: Duration = Duration::from_secs(3);

/// A count falls by one in this time.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);

/// The highest count: whatever it sends, a peer has no count left ten minutes after its last wrong
/// token.
const MAX_COUNT: u32 = 60;

/// Answers on all connections of a listener: a burst, then one per interval, each delayed for at
/// most this long. It is for guesses from many addresses, and shorter: callers who are none of them
/// wait too.
const LISTENER_BURST: u32 = 10;
const LISTENER_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_LISTENER_DELAY: Duration = Duration::from_secs(1);

/// The wrong tokens of one listener.
#[derive(Debug)]
pub struct Refusals {
    peers: BTreeMap<PeerGroup, Count>,
    listener: Throttle,
}

/// What follows from a wrong token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalty {
    /// How long the answer is delayed.
    pub delay: Duration,
    /// Whether its peer has sent so many that the connection closes after the answer.
    pub is_guessing: bool,
}

/// Wrong tokens of a peer, at a time.
#[derive(Debug, Clone, Copy)]
struct Count {
    wrong: u32,
    at: Instant,
}

impl Refusals {
    /// No wrong token yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            peers: BTreeMap::new(),
            listener: Throttle::new(LISTENER_BURST, LISTENER_INTERVAL),
        }
    }

    /// Counts a wrong token.
    pub fn record(&mut self, peers: PeerGroup, now: Instant) -> Penalty {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peers) {
            self.forget_one(now);
        }
        let none = Count { wrong: 0, at: now };
        let count = self.peers.entry(peers).or_insert(none);
        *count = count.decayed(now);
        count.wrong = (count.wrong + 1).min(MAX_COUNT);
        let listener = self.listener.reserve(now, LONGEST_LISTENER_DELAY);
        Penalty {
            delay: count.delay().max(listener),
            is_guessing: count.wrong > FREE,
        }
    }

    /// The number of counted peers.
    #[cfg(any(test, feature = "unstable-internals"))]
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    fn forget_one(&mut self, now: Instant) {
        let counts = self.peers.iter();
        let lowest = counts.min_by_key(|(_, count)| (count.decayed(now).wrong, count.at));
        if let Some(peers) = lowest.map(|(peers, _)| *peers) {
            self.peers.remove(&peers);
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::new()
    }
}

impl Count {
    /// The count now. `at` moves by whole steps, so that frequent calls forgive as much as rare
    /// ones.
    fn decayed(self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at);
        let steps = u32::try_from(passed.as_secs() / FORGIVEN_AFTER.as_secs()).unwrap_or(u32::MAX);
        match self.wrong.checked_sub(steps) {
            Some(wrong) if wrong > 0 => Self {
                wrong,
                at: self.at + FORGIVEN_AFTER * steps,
            },
            Some(_) | None => Self { wrong: 0, at: now },
        }
    }

    fn delay(self) -> Duration {
        match self.wrong.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_DELAY
                .saturating_mul(1 << doublings.min(16))
                .min(LONGEST_DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PeerGroup = PeerGroup::User(1);

    #[test]
    fn the_delay_of_a_peer_grows_and_is_bounded() {
        let mut refusals = Refusals::new();
        // Slow enough for the listener, and fast enough to be forgiven nothing.
        let start = Instant::now();
        let penalties: Vec<_> = (0..15_u32)
            .map(|number| refusals.record(ONE, start + Duration::from_millis(600) * number))
            .collect();
        let delays: Vec<_> = penalties.iter().map(|penalty| penalty.delay).collect();
        let millis = [
            0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3000, 3000, 3000, 3000, 3000,
        ];
        assert_eq!(delays, millis.map(Duration::from_millis));
        assert!(!penalties[4].is_guessing && penalties[5].is_guessing);
    }

    #[test]
    fn another_peer_does_not_wait_for_a_guesser() {
        let mut refusals = Refusals::new();
        let start = Instant::now();
        for _ in 0..100 {
            refusals.record(ONE, start);
        }
        // The listener as a whole is busy, for at most a second.
        let other = refusals.record(PeerGroup::User(2), start);
        assert!(other.delay <= LONGEST_LISTENER_DELAY && !other.is_guessing);
        let later = start + Duration::from_secs(60);
        let other = refusals.record(PeerGroup::User(3), later);
        assert_eq!(other.delay, Duration::ZERO);
    }

    #[test]
    fn a_client_with_an_old_token_that_retries_slowly_never_waits() {
        let mut refusals = Refusals::new();
        let start = Instant::now();
        for number in 0..1000_u32 {
            let penalty = refusals.record(ONE, start + FORGIVEN_AFTER * number);
            assert_eq!(penalty.delay, Duration::ZERO);
        }
    }

    #[test]
    fn a_guesser_is_forgiven_after_ten_minutes() {
        let mut refusals = Refusals::new();
        let start = Instant::now();
        for _ in 0..10_000 {
            refusals.record(ONE, start);
        }
        let soon = refusals.record(ONE, start + Duration::from_secs(300));
        assert_eq!(soon.delay, LONGEST_DELAY);
        // Nor does the listener wait any more.
        let later = refusals.record(ONE, start + Duration::from_secs(1100));
        assert_eq!(later.delay, Duration::ZERO);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_worst() {
        let mut refusals = Refusals::new();
        let start = Instant::now();
        for _ in 0..20 {
            refusals.record(ONE, start);
        }
        for user in 2..10_000 {
            refusals.record(PeerGroup::User(user), start);
        }
        assert_eq!(refusals.peers(), MAX_PEERS);
        assert_eq!(refusals.record(ONE, start).delay, LONGEST_DELAY);
    }
}
