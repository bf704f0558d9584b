//! The `grpc-timeout` header.
//!
//! Owns its parsing and formatting. It never turns a timeout into a deadline; that needs a clock.

use std::time::Duration;

use http::HeaderName;

/// The request header with the timeout of the call.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The greatest value of eight digits (PROTOCOL-HTTP2).
const MAX_VALUE: u32 = 99_999_999;

/// The units, finest first.
const UNITS: [(u8, Duration); 6] = [
    (b'n', Duration::from_nanos(1)),
    (b'u', Duration::from_micros(1)),
    (b'm', Duration::from_millis(1)),
    (b'S', Duration::from_secs(1)),
    (b'M', Duration::from_secs(60)),
    (b'H', Duration::from_secs(60 * 60)),
];

/// Why a `grpc-timeout` is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeoutError {
    /// Not one to eight digits before the unit.
    #[error("grpc-timeout needs 1 to 8 digits and then one of H M S m u n")]
    Digits,
    /// The last character is not a unit.
    #[error("grpc-timeout ends in an unknown unit: use one of H M S m u n")]
    Unit,
}

/// Parses a timeout: 1 to 8 ASCII digits and one of `H M S m u n` (PROTOCOL-HTTP2, "Timeout").
///
/// # Errors
///
/// Anything else, a sign or a space included.
pub fn parse(value: &[u8]) -> Result<Duration, TimeoutError> {
    let (unit, digits) = value.split_last().ok_or(TimeoutError::Digits)?;
    let unit = UNITS
        .iter()
        .find(|(letter, _)| letter == unit)
        .map(|(_, length)| *length)
        .ok_or(TimeoutError::Unit)?;
    // `u32::from_str` would accept a plus sign.
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimeoutError::Digits);
    }
    let value = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Ok(unit.saturating_mul(value))
}

/// Formats a timeout in the finest unit that fits, rounded up so that it never becomes shorter; at
/// most 99,999,999 hours.
#[must_use]
pub fn format(timeout: Duration) -> String {
    for (letter, unit) in UNITS {
        let value = timeout.as_nanos().div_ceil(unit.as_nanos());
        if value <= u128::from(MAX_VALUE) {
            return format!("{value}{}", char::from(letter));
        }
    }
    format!("{MAX_VALUE}H")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_parsed() {
        for (value, timeout) in [
            ("1n", Duration::from_nanos(1)),
            ("20u", Duration::from_micros(20)),
            ("300m", Duration::from_millis(300)),
            ("5S", Duration::from_secs(5)),
            ("2M", Duration::from_secs(120)),
            ("1H", Duration::from_secs(3600)),
            ("0S", Duration::ZERO),
            ("00000001S", Duration::from_secs(1)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(parse(value.as_bytes()), Ok(timeout), "{value}");
        }
    }

    #[test]
    fn malformed_timeouts_are_refused() {
        for value in [
            "S",
            "+5S",
            "-5S",
            " 5S",
            "5 S",
            "123456789S",
            "5_0S",
            "5.0S",
            "0x1S",
            "١S",
        ] {
            assert_eq!(
                parse(value.as_bytes()),
                Err(TimeoutError::Digits),
                "{value}"
            );
        }
        for value in ["5", "5s", "5h", "5S ", "5SS ", "5\u{b5}"] {
            assert_eq!(parse(value.as_bytes()), Err(TimeoutError::Unit), "{value}");
        }
        assert_eq!(parse(b"5SS"), Err(TimeoutError::Digits));
        assert_eq!(parse(b""), Err(TimeoutError::Digits));
    }

    #[test]
    fn the_finest_unit_that_fits_is_formatted_and_never_a_shorter_time() {
        for (timeout, value) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(1), "1000000u"),
            (Duration::from_secs(3600), "3600000m"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_000), "1666667M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(format(timeout), value);
            let parsed = parse(value.as_bytes()).unwrap();
            assert!(parsed >= timeout || value == "99999999H");
        }
    }
}
