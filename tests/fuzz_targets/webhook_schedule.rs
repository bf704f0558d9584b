//! When a webhook is tried again.

use std::time::{Duration, SystemTime};

use process_wrapper::webhook::schedule::{RetryPolicy, RetryVerdict, retry_after};

use super::cursor::Cursor;

/// A delay is at most its ceiling, which never shrinks from one attempt to the next; `Retry-After`
/// is what its digits say, or a date that is written again as the same one; and only what may pass
/// is tried again.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let retry = RetryPolicy {
        base_delay: Duration::new(cursor.u64(..), cursor.u32() % 1_000_000_000),
        max_delay: Duration::new(cursor.u64(..), cursor.u32() % 1_000_000_000),
        attempt_timeout: Duration::from_secs(1),
    };
    let (attempts, random) = (cursor.u32(), cursor.u32());
    let delay = retry.delay(attempts, random);
    assert!(delay <= retry.max_delay);
    assert_eq!(retry.delay(attempts, 0), Duration::ZERO);
    assert!(retry.delay(attempts.saturating_add(1), random) >= delay);
    assert!(attempts > 1 || delay <= retry.base_delay);
    assert!(retry.delay(attempts, random.saturating_add(1)) >= delay);

    let status = cursor.u16();
    match RetryVerdict::of(status) {
        RetryVerdict::Delivered => assert_eq!(status / 100, 2),
        RetryVerdict::Retry => assert!(status / 100 == 5 || [408, 425, 429].contains(&status)),
        RetryVerdict::Permanent => assert!(![2, 5].contains(&(status / 100))),
    }

    // Within the years that a date can say.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(cursor.u32().into());
    let rest = cursor.rest();
    let text = String::from_utf8_lossy(rest);
    let requested = retry_after(&text, now);
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = trimmed.trim_start_matches('0');
        let seconds = if digits.is_empty() {
            Ok(0)
        } else {
            digits.parse()
        };
        assert_eq!(
            requested,
            Some(Duration::from_secs(seconds.unwrap_or(u64::MAX)))
        );
    } else if let Some(requested) = requested {
        assert!(trimmed.contains(' '), "a date: {trimmed}");
        if !requested.is_zero() {
            let written = httpdate::fmt_http_date(now + requested);
            assert_eq!(retry_after(&written, now), Some(requested));
        }
    }
    // The same date is nearer a second later, and one that has passed is at once.
    let later = retry_after(&text, now + Duration::from_secs(1));
    assert!(later <= requested);
}
