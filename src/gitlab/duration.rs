//! Durations in Go's notation: `3h`, `1m30s`, `1.5h`, `1h0m0s`.
//!
//! Owns the parser of `--process-termination-timeout`. It never parses other options:
//! `human_duration` does, whose grammar has days and no fractions.

use std::str::FromStr;
use std::time::Duration;

/// A duration in Go's notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

/// Not a duration in Go's notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration ({fault}); write for example 300ms, 1m30s or 3h")]
pub struct InvalidGoDuration {
    text: String,
    fault: DurationFault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum DurationFault {
    #[error("it is empty")]
    Empty,
    #[error("it is negative")]
    Negative,
    #[error("a number is missing")]
    NoNumber,
    #[error("a unit is missing")]
    NoUnit,
    #[error("{0:?} is not a unit")]
    Unit(String),
    #[error("it is too long")]
    TooLong,
}

/// Units in nanoseconds. Go accepts both the micro sign and the Greek letter mu.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The maximum of Go's `time.Duration`: 63 bits of nanoseconds, some 292 years.
const MAX_NANOS: u128 = i64::MAX as u128;

impl FromStr for GoDuration {
    type Err = InvalidGoDuration;

    /// Accepts the grammar of Go's `time.ParseDuration` except negative durations: decimal numbers
    /// with units, a leading plus sign, and a bare `0`. Fractions of a nanosecond are cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        nanoseconds(text)
            .map(|nanos| Self(Duration::from_nanos(nanos)))
            .map_err(|fault| InvalidGoDuration {
                text: text.to_owned(),
                fault,
            })
    }
}

fn nanoseconds(text: &str) -> Result<u64, DurationFault> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationFault::Empty);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (value, after) = term(rest)?;
        total = total.saturating_add(value);
        if total > MAX_NANOS {
            return Err(DurationFault::TooLong);
        }
        rest = after;
    }
    if negative && total > 0 {
        return Err(DurationFault::Negative);
    }
    u64::try_from(total).map_err(|_| DurationFault::TooLong)
}

/// Parses one number with its unit: nanoseconds, and the rest of the text.
fn term(text: &str) -> Result<(u128, &str), DurationFault> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationFault::NoNumber);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit_name, rest) = rest.split_at(end);
    if unit_name.is_empty() {
        return Err(DurationFault::NoUnit);
    }
    let (_, unit) = UNITS
        .into_iter()
        .find(|(unit, _)| *unit == unit_name)
        .ok_or_else(|| DurationFault::Unit(unit_name.to_owned()))?;
    let unit = u128::from(unit);
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| DurationFault::TooLong)?
    };
    // An hour has 3.6·10¹² ns, so digits beyond the 18th are below a nanosecond.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = if fraction.is_empty() {
        0
    } else {
        let value: u128 = fraction.parse().map_err(|_| DurationFault::TooLong)?;
        let power = u32::try_from(fraction.len()).map_err(|_| DurationFault::TooLong)?;
        value * unit / 10_u128.pow(power)
    };
    let whole = whole.checked_mul(unit).ok_or(DurationFault::TooLong)?;
    Ok((whole.saturating_add(part), rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_accepted() {
        for (text, nanos) in [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("-0s", 0),
            ("10s", 10_000_000_000),
            ("3h", 10_800_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0m0s", 3_600_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("+5s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("300ms", 300_000_000),
            ("500us", 500_000),
            ("500\u{b5}s", 500_000),
            ("500\u{3bc}s", 500_000),
            ("7ns", 7),
            ("1s1h1s", 3_602_000_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("1.9ns", 1),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
        ] {
            let expected = Ok(GoDuration(Duration::from_nanos(nanos)));
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_go_refuses_are_refused_with_an_example() {
        for text in [
            "",
            "+",
            "-",
            "3",
            "1.5",
            "s",
            ".s",
            ".",
            "1d",
            "1 h",
            " 1s",
            "1h30",
            "1H",
            "++1s",
            "1s-1s",
            "1e3s",
            "9223372036854775808ns",
            "2562048h",
            "99999999999999999999999999999999999999999h",
        ] {
            let error = text.parse::<GoDuration>().unwrap_err();
            assert!(error.to_string().contains("1m30s"), "{error}");
        }
    }

    #[test]
    fn a_negative_duration_is_reported_as_negative() {
        let error = "-10s".parse::<GoDuration>().unwrap_err();
        assert!(error.to_string().contains("negative"), "{error}");
    }
}
