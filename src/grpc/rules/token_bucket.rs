//! A token bucket for frames without progress.
//!
//! Owns the cost of each frame and the refill. Time refills the bucket, and so do messages and
//! completed calls: a client that makes progress is never limited, however fast it is. The bucket
//! never reads a clock and never closes anything.
//!
//! h2 bounds the memory that such frames can pin, but not the work: PING, SETTINGS, PRIORITY,
//! `WINDOW_UPDATE`, CONTINUATION and unknown frames (CVE-2019-9512, 9515 and kin), and streams that
//! are reset at once (CVE-2023-44487) or somewhat later.

use std::time::{Duration, Instant};

use crate::grpc::rules::frames::FrameKind;

/// Tokens that each message and each completed call refills. With a message a client sends at most
/// a `WINDOW_UPDATE` for its stream, one for the connection, and a PING to measure bandwidth.
pub const PROGRESS_TOKENS: u32 = 4;

/// Tokens of an `RST_STREAM`: more than the reset call's message can have refilled.
pub const RESET_COST: u32 = 8;

/// The tokens that a frame of this kind costs.
#[must_use]
pub const fn cost(kind: FrameKind) -> u32 {
    match kind {
        // Flow control bounds the bytes of messages, and h2 bounds empty and tiny DATA frames.
        FrameKind::Data => 0,
        FrameKind::Headers | FrameKind::Continuation | FrameKind::Other => 1,
        FrameKind::RstStream => RESET_COST,
    }
}

/// The tokens that one peer has left.
#[derive(Debug)]
pub struct TokenBucket {
    tokens: u64,
    capacity: u64,
    /// Tokens per second.
    rate: u64,
    /// The time up to which the bucket is refilled.
    refilled_at: Instant,
    /// The progress up to which the bucket is refilled.
    progress: u64,
}

impl TokenBucket {
    /// A full bucket of `burst` tokens that refills `rate` tokens per second.
    #[must_use]
    pub fn new(now: Instant, burst: u32, rate: u32) -> Self {
        Self {
            tokens: burst.into(),
            capacity: burst.into(),
            rate: rate.into(),
            refilled_at: now,
            progress: 0,
        }
    }

    /// Takes `cost` tokens at `now`, and returns whether there were as many. `progress` counts the
    /// messages and completed calls since the start.
    pub fn consume(&mut self, now: Instant, progress: u64, cost: u64) -> bool {
        self.refill(now, progress);
        let enough = self.tokens >= cost;
        self.tokens = self.tokens.saturating_sub(cost);
        enough
    }

    fn refill(&mut self, now: Instant, progress: u64) {
        let made = progress.saturating_sub(self.progress);
        self.progress = progress;
        let by_progress = made.saturating_mul(PROGRESS_TOKENS.into());
        let passed = now.saturating_duration_since(self.refilled_at);
        let by_time = passed.as_secs().saturating_mul(self.rate).saturating_add(
            u64::from(passed.subsec_nanos()).saturating_mul(self.rate) / 1_000_000_000,
        );
        if by_time > 0 {
            // Only the time of whole tokens is used up, so many short steps refill as much as one.
            let used = Duration::from_nanos(by_time.saturating_mul(1_000_000_000) / self.rate);
            self.refilled_at = self.refilled_at.checked_add(used).unwrap_or(now);
        }
        self.tokens = self
            .tokens
            .saturating_add(by_progress)
            .saturating_add(by_time)
            .min(self.capacity);
        if self.tokens == self.capacity {
            // A full bucket saves no time up.
            self.refilled_at = self.refilled_at.max(now);
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
    fn a_burst_passes_and_one_frame_more_does_not() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(now, 100, 10);
        for _ in 0..100 {
            assert!(bucket.consume(now, 0, 1));
        }
        assert!(!bucket.consume(now, 0, 1));
    }

    #[test]
    fn the_rate_passes_forever_and_a_higher_one_does_not() {
        let start = Instant::now();
        let mut within = TokenBucket::new(start, 100, 10);
        assert!((0..10_000).all(|frame| within.consume(after(start, frame * 100), 0, 1)));
        let mut beyond = TokenBucket::new(start, 100, 10);
        assert!(!(0..10_000).all(|frame| beyond.consume(after(start, frame * 90), 0, 1)));
    }

    #[test]
    fn short_steps_of_time_add_up() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 10, 10);
        assert!(bucket.consume(start, 0, 10));
        // One step alone is too short for a token.
        assert!((1..1000).all(|millis| bucket.consume(after(start, millis), 0, 0)));
        assert!(bucket.consume(after(start, 1000), 0, 10));
    }

    #[test]
    fn a_long_pause_refills_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 100, 10);
        let later = start + Duration::from_secs(1 << 40);
        assert!(bucket.consume(later, 0, 100));
        assert!(!bucket.consume(later, 0, 1));
    }

    #[test]
    fn a_client_that_makes_progress_is_never_limited() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(now, 100, 10);
        // HEADERS, two WINDOW_UPDATEs, a PING; no time passes at all.
        assert!((0..100_000).all(|calls| bucket.consume(now, calls, 4)));
    }

    #[test]
    fn calls_reset_after_their_message_empty_the_bucket() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(now, 100, 10);
        let cost_of_call = u64::from(
            cost(FrameKind::Headers) + cost(FrameKind::Data) + cost(FrameKind::RstStream),
        );
        let passed = (0..1000)
            .take_while(|calls| bucket.consume(now, *calls, cost_of_call))
            .count();
        assert!((10..30).contains(&passed), "{passed}");
    }

    #[test]
    fn without_a_rate_only_progress_refills() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 2, 0);
        assert!(bucket.consume(start, 0, 2));
        assert!(!bucket.consume(after(start, 1_000_000), 0, 1));
        assert!(bucket.consume(
            after(start, 1_000_000),
            1,
            u64::from(PROGRESS_TOKENS).min(2)
        ));
    }
}
