//! How many frames a peer may send that bring no call forward.
//!
//! Owns the price of each frame and the allowance that it is taken from. An allowance grows with time, and
//! with each message and each answered call, so that a client that works is never held up however fast it
//! is. It never reads a clock and never closes anything.
//!
//! An h2 connection bounds the memory that such frames can pin, but not the work: PING, SETTINGS,
//! PRIORITY, `WINDOW_UPDATE`, CONTINUATION, unknown frames (CVE-2019-9512, 9515 and kin), and streams
//! that are reset as fast as they are opened (CVE-2023-44487) or just slower than that.

use std::time::{Duration, Instant};

use crate::grpc::rules::frames::FrameKind;

/// What each message, and each call that was answered, earns. Around a message there are at most a
/// `WINDOW_UPDATE` for its stream, one for the connection, and a PING that measures the bandwidth.
pub const EARNED: u32 = 4;

/// What a reset costs: a call was begun for nothing. More than its message can have earned.
pub const RESET_COST: u32 = 8;

/// What frames of this kind cost.
#[must_use]
pub const fn cost(kind: FrameKind) -> u32 {
    match kind {
        // Bytes of messages are bounded by flow control, and empty or tiny DATA frames by h2.
        FrameKind::Data => 0,
        FrameKind::Headers | FrameKind::Other => 1,
        FrameKind::RstStream => RESET_COST,
    }
}

/// What is left of a peer's allowance.
#[derive(Debug)]
pub struct TokenBucket {
    left: u64,
    most: u64,
    /// Per second.
    rate: u64,
    /// The time up to which it has grown.
    grown: Instant,
    /// The progress up to which it has grown.
    progress: u64,
}

impl TokenBucket {
    /// A full allowance: `burst` at once, and `rate` in each second.
    #[must_use]
    pub fn new(now: Instant, burst: u32, rate: u32) -> Self {
        Self {
            left: burst.into(),
            most: burst.into(),
            rate: rate.into(),
            grown: now,
            progress: 0,
        }
    }

    /// Pays `cost` for frames that came at `now`, when `progress` messages and calls had been counted
    /// since the start. Says whether the allowance was large enough.
    pub fn consume(&mut self, now: Instant, progress: u64, cost: u64) -> bool {
        self.grow(now, progress);
        let enough = self.left >= cost;
        self.left = self.left.saturating_sub(cost);
        enough
    }

    fn grow(&mut self, now: Instant, progress: u64) {
        let made = progress.saturating_sub(self.progress);
        self.progress = progress;
        let earned = made.saturating_mul(EARNED.into());
        // Whole units only, and the clock of the rest is kept: many small steps must give what one large
        // one does.
        let passed = now.saturating_duration_since(self.grown);
        let grown = passed.as_secs().saturating_mul(self.rate).saturating_add(
            u64::from(passed.subsec_nanos()).saturating_mul(self.rate) / 1_000_000_000,
        );
        if grown > 0 {
            let used = Duration::from_nanos(grown.saturating_mul(1_000_000_000) / self.rate);
            self.grown = self.grown.checked_add(used).unwrap_or(now);
        }
        self.left = self
            .left
            .saturating_add(earned)
            .saturating_add(grown)
            .min(self.most);
        if self.left == self.most {
            // Nothing grows beyond it, so nothing is kept for later either.
            self.grown = self.grown.max(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_allowed_and_one_frame_more_is_not() {
        let now = Instant::now();
        let mut allowance = TokenBucket::new(now, 100, 10);
        for _ in 0..100 {
            assert!(allowance.consume(now, 0, 1));
        }
        assert!(!allowance.consume(now, 0, 1));
    }

    #[test]
    fn the_rate_is_allowed_for_ever_and_a_little_more_is_not() {
        let start = Instant::now();
        let mut honest = TokenBucket::new(start, 100, 10);
        assert!((0..10_000).all(|frame| honest.consume(after(start, frame * 100), 0, 1)));
        let mut hasty = TokenBucket::new(start, 100, 10);
        assert!(!(0..10_000).all(|frame| hasty.consume(after(start, frame * 90), 0, 1)));
    }

    #[test]
    fn small_steps_of_time_are_not_lost() {
        let start = Instant::now();
        let mut allowance = TokenBucket::new(start, 10, 10);
        assert!(allowance.consume(start, 0, 10));
        // Each step alone is too short for a unit.
        assert!((1..1000).all(|millis| allowance.consume(after(start, millis), 0, 0)));
        assert!(allowance.consume(after(start, 1000), 0, 10));
    }

    #[test]
    fn a_long_silence_earns_no_more_than_the_burst() {
        let start = Instant::now();
        let mut allowance = TokenBucket::new(start, 100, 10);
        let later = start + Duration::from_secs(1 << 40);
        assert!(allowance.consume(later, 0, 100));
        assert!(!allowance.consume(later, 0, 1));
    }

    #[test]
    fn a_client_that_works_is_never_held_up() {
        let now = Instant::now();
        let mut allowance = TokenBucket::new(now, 100, 10);
        // HEADERS, two WINDOW_UPDATEs, a PING; no time passes at all.
        assert!((0..100_000).all(|calls| allowance.consume(now, calls, 4)));
    }

    #[test]
    fn calls_that_are_reset_after_their_message_are_paid_for() {
        let now = Instant::now();
        let mut allowance = TokenBucket::new(now, 100, 10);
        let price = u64::from(
            cost(FrameKind::Headers) + cost(FrameKind::Data) + cost(FrameKind::RstStream),
        );
        let allowed = (0..1000)
            .take_while(|calls| allowance.consume(now, *calls, price))
            .count();
        assert!((10..30).contains(&allowed), "{allowed}");
    }

    #[test]
    fn without_a_rate_only_progress_counts() {
        let start = Instant::now();
        let mut allowance = TokenBucket::new(start, 2, 0);
        assert!(allowance.consume(start, 0, 2));
        assert!(!allowance.consume(after(start, 1_000_000), 0, 1));
        assert!(allowance.consume(after(start, 1_000_000), 1, u64::from(EARNED).min(2)));
    }
}
