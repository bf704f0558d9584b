//! When to try again, and when not to.
//!
//! Owns the backoff, the meaning of an answer's status and of `Retry-After`. It never reads a clock and
//! throws no dice: the time and the random number are arguments.

use std::time::{Duration, SystemTime};

/// The pace of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPace {
    /// The ceiling of the first delay; it doubles with every attempt.
    pub base: Duration,
    /// The ceiling that is not exceeded, except on the receiver's own wish.
    pub cap: Duration,
    /// How long one attempt may take.
    pub attempt: Duration,
}

/// What the wrapper uses.
pub const PACE: RetryPace = RetryPace {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(60),
    attempt: Duration::from_secs(10),
};

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    /// The receiver has it.
    Delivered,
    /// The receiver may want it later.
    Later,
    /// The receiver will never want it.
    Final,
}

impl RetryVerdict {
    /// By the status code, RFC 9110 section 15. Redirects are final: they are not followed.
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            // Request Timeout, Too Early (RFC 8470), Too Many Requests (RFC 6585).
            408 | 425 | 429 | 500..=599 => Self::Later,
            0..=199 | 300..=407 | 409..=424 | 426..=428 | 430..=499 | 600.. => Self::Final,
        }
    }
}

impl RetryPace {
    /// The delay after this many attempts: exponential backoff with full jitter, that is, anything from
    /// nothing to the ceiling. `random` is uniform over its whole range.
    pub fn delay(&self, attempts: u32, random: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.cap);
        // A fraction below one, in 32 bits.
        let nanos = ceiling.as_nanos().saturating_mul(u128::from(random)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// `Retry-After`, RFC 9110 section 10.2.3: seconds, or a date, which in the past is at once. What is
/// neither is ignored.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are later than any deadline.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_from_the_base_to_the_cap() {
        let ceilings: Vec<u64> = (1..=9)
            .map(|attempts| (PACE.delay(attempts, u32::MAX) + Duration::from_millis(1)).as_secs())
            .collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for attempts in [0, 40, u32::MAX] {
            assert!(PACE.delay(attempts, u32::MAX) <= PACE.cap);
        }
    }

    #[test]
    fn jitter_is_full_from_nothing_to_the_ceiling() {
        assert_eq!(PACE.delay(4, 0), Duration::ZERO);
        assert_eq!(PACE.delay(4, 1 << 31), Duration::from_secs(4));
        assert_eq!(PACE.delay(4, 1 << 30), Duration::from_secs(2));
        assert!(PACE.delay(4, u32::MAX) < Duration::from_secs(8));
        // Nothing overflows, however long the pace is.
        let endless = RetryPace {
            base: Duration::MAX,
            cap: Duration::MAX,
            attempt: Duration::MAX,
        };
        assert!(endless.delay(u32::MAX, u32::MAX) > Duration::from_secs(1 << 33));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(
                RetryVerdict::of(status),
                RetryVerdict::Delivered,
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(RetryVerdict::of(status), RetryVerdict::Later, "{status}");
        }
        for status in [
            0, 100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 410, 428, 600,
        ] {
            assert_eq!(RetryVerdict::of(status), RetryVerdict::Final, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, in its three formats.
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let before = date - Duration::from_secs(90);
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90)),
            ("Sun Nov  6 08:49:37 1994", Some(90)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let found = retry_after(value, before);
            assert_eq!(found, expected.map(Duration::from_secs), "{value:?}");
        }
        let later = date + Duration::from_secs(5);
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", later),
            Some(Duration::ZERO)
        );
    }
}
