//! The time of day at the head of each line: RFC 3339, UTC, milliseconds.
//!
//! It is for people and log stores; nothing is ever decided by it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The last second of the year 9999, beyond which RFC 3339 has no digits.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Writes the present time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", rfc3339(SystemTime::now()))
    }
}

/// `2026-11-23T10:00:00.123Z`; a clock that is set before 1970 or after 9999 shows the nearest end.
pub(crate) fn rfc3339(at: SystemTime) -> impl fmt::Display {
    // humantime panics on the one and refuses to format the other.
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_and_ends_in_z() {
        let at = UNIX_EPOCH + Duration::from_micros(1_795_428_000_123_999);
        assert_eq!(rfc3339(at).to_string(), "2026-11-23T10:00:00.123Z");
    }

    #[test]
    fn a_clock_out_of_range_is_no_panic() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(before).to_string(), "1970-01-01T00:00:00.000Z");
        let after = UNIX_EPOCH + LAST + Duration::from_secs(9);
        assert_eq!(rfc3339(after).to_string(), "9999-12-31T23:59:59.000Z");
    }
}
