//! Durations as text for people.
//!
//! Owns how they are rounded. It never reads a clock.

use std::time::Duration;

use crate::human_duration::HumanDuration;

/// Rounded down to seconds, and to the two largest units: `45s`, `3m10s`, `2h5m`, `3days4h`.
pub(super) fn rounded(duration: Duration) -> HumanDuration {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    HumanDuration(Duration::from_secs(seconds - seconds % unit))
}

/// Rounded down to tenths of a second; milliseconds below that: `50ms`, `300ms`, `5s`.
pub(super) fn tenths(duration: Duration) -> HumanDuration {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let noise = if millis < 100 { 0 } else { millis % 100 };
    HumanDuration(Duration::from_millis(millis - noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_durations_show_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (190, "3m10s"),
            (7_510, "2h5m"),
            (273_900, "3days4h"),
        ] {
            let duration = Duration::from_secs(seconds) + Duration::from_millis(999);
            assert_eq!(rounded(duration).to_string(), text);
        }
    }

    #[test]
    fn short_durations_show_tenths_or_milliseconds() {
        for (millis, text) in [(0, "0s"), (50, "50ms"), (399, "300ms"), (5_020, "5s")] {
            assert_eq!(tenths(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
