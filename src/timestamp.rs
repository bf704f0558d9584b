//! Times of day as RFC 3339 text, in logs, JSON, webhooks and the environment of after-exit
//! commands.
//!
//! Owns the format. It reads no clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, beyond which RFC 3339 has no digits.
const MAX: Duration = Duration::from_secs(253_402_300_799);

/// Formats a time in UTC with milliseconds: `2026-11-23T10:00:00.123Z`. A time before 1970 or after
/// 9999 shows the nearest end of that range.
pub(crate) fn rfc3339(time: SystemTime) -> impl fmt::Display {
    // humantime panics before 1970 and refuses to format a time after 9999.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(MAX);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_and_ends_in_z() {
        let time = UNIX_EPOCH + Duration::from_micros(1_795_428_000_123_999);
        assert_eq!(rfc3339(time).to_string(), "2026-11-23T10:00:00.123Z");
    }

    #[test]
    fn a_clock_out_of_range_is_no_panic() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(before).to_string(), "1970-01-01T00:00:00.000Z");
        let after = UNIX_EPOCH + MAX * 2;
        assert_eq!(rfc3339(after).to_string(), "9999-12-31T23:59:59.000Z");
    }
}
