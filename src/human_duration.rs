//! Durations as people write them: `300ms`, `30s`, `1h30m`.
//!
//! Owns the text form of durations on the command line. It never measures one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration with a text form that parses back to the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration ({why}); write for example 300ms, 30s or 1h30m")]
pub struct InvalidDuration {
    text: String,
    why: String,
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    /// Accepts a sum of numbers with units, and a bare `0`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match humantime::parse_duration(text) {
            Ok(duration) => Ok(Self(duration)),
            Err(error) => Err(InvalidDuration {
                text: text.to_owned(),
                why: why(text, &error),
            }),
        }
    }
}

fn why(text: &str, error: &humantime::DurationError) -> String {
    use humantime::DurationError as Fault;
    match error {
        Fault::Empty => "it is empty".to_owned(),
        Fault::NumberExpected(_) if text.starts_with('-') => "it is negative".to_owned(),
        Fault::NumberExpected(_) => "a number is missing".to_owned(),
        Fault::InvalidCharacter(at) => match text.get(*at..).and_then(|rest| rest.chars().next()) {
            Some(letter) => format!("{letter:?} has no place in one"),
            None => "a character has no place in one".to_owned(),
        },
        Fault::NumberOverflow => "the number is too large".to_owned(),
        Fault::UnknownUnit { unit, .. } if unit.is_empty() => "a unit is missing".to_owned(),
        Fault::UnknownUnit { unit, .. } => format!("{unit:?} is no unit"),
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without spaces, so that the text can be passed as an option.
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_duration_parses_back() {
        for millis in [0, 1, 300, 30_000, 5_400_000, 86_400_000, 1_234_567_891] {
            let duration = HumanDuration(Duration::from_millis(millis));
            assert_eq!(duration.to_string().parse(), Ok(duration), "{duration}");
        }
    }

    #[test]
    fn an_invalid_duration_is_refused_with_advice() {
        for text in ["", "5", "-1s", "1x", "s", "one hour"] {
            let error = text.parse::<HumanDuration>().unwrap_err();
            assert!(error.to_string().contains("1h30m"), "{error}");
        }
    }
}
