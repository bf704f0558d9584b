//! Whether and when a delivery is retried.
//!
//! Owns the backoff and the meaning of a status code and of `Retry-After`. It never reads a clock
//! or a random source: both values are arguments.

use std::time::{Duration, SystemTime};

/// Exponential backoff with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum of the first delay; it doubles with each attempt.
    pub base_delay: Duration,
    /// The maximum of every delay. Only a longer `Retry-After` exceeds it.
    pub max_delay: Duration,
    /// The time limit of one attempt.
    pub attempt_timeout: Duration,
}

/// What a status code means for the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    /// The receiver accepted the webhook.
    Delivered,
    /// A later attempt may succeed.
    Retry,
    /// No later attempt can succeed.
    Permanent,
}

impl RetryVerdict {
    /// Classifies a status code, RFC 9110 section 15. The wrapper follows no redirect, so 3xx is
    /// permanent.
    pub fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            // Request Timeout, Too Early (RFC 8470), Too Many Requests (RFC 6585).
            408 | 425 | 429 | 500..=599 => Self::Retry,
            0..=199 | 300..=407 | 409..=424 | 426..=428 | 430..=499 | 600.. => Self::Permanent,
        }
    }
}

impl RetryPolicy {
    /// The policy of the wrapper.
    pub const DEFAULT: Self = Self {
        base_delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(60),
        attempt_timeout: Duration::from_secs(10),
    };

    /// The delay after this many attempts, between 0 and the current maximum. `random` is uniform
    /// over its whole range.
    pub fn delay(&self, attempts: u32, random: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let ceiling = self
            .base_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay);
        // `random` is a fraction below one, in 32 bits.
        let nanos = ceiling.as_nanos().saturating_mul(u128::from(random)) >> 32;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Parses `Retry-After`, RFC 9110 section 10.2.3: seconds, or a date. A date in the past gives
/// zero, an invalid value `None`.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows is later than any deadline.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_doubles_from_base_delay_to_max_delay() {
        let ceilings: Vec<u64> = (1..=9)
            .map(|attempts| {
                (RetryPolicy::DEFAULT.delay(attempts, u32::MAX) + Duration::from_millis(1))
                    .as_secs()
            })
            .collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for attempts in [0, 40, u32::MAX] {
            assert!(
                RetryPolicy::DEFAULT.delay(attempts, u32::MAX) <= RetryPolicy::DEFAULT.max_delay
            );
        }
    }

    #[test]
    fn jitter_spans_zero_to_the_maximum() {
        assert_eq!(RetryPolicy::DEFAULT.delay(4, 0), Duration::ZERO);
        assert_eq!(
            RetryPolicy::DEFAULT.delay(4, 1 << 31),
            Duration::from_secs(4)
        );
        assert_eq!(
            RetryPolicy::DEFAULT.delay(4, 1 << 30),
            Duration::from_secs(2)
        );
        assert!(RetryPolicy::DEFAULT.delay(4, u32::MAX) < Duration::from_secs(8));
        // The longest delays do not overflow.
        let endless = RetryPolicy {
            base_delay: Duration::MAX,
            max_delay: Duration::MAX,
            attempt_timeout: Duration::MAX,
        };
        assert!(endless.delay(u32::MAX, u32::MAX) > Duration::from_secs(1 << 33));
    }

    #[test]
    fn only_transient_statuses_are_retried() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(
                RetryVerdict::of(status),
                RetryVerdict::Delivered,
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(RetryVerdict::of(status), RetryVerdict::Retry, "{status}");
        }
        for status in [
            0, 100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 410, 428, 600,
        ] {
            assert_eq!(
                RetryVerdict::of(status),
                RetryVerdict::Permanent,
                "{status}"
            );
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
