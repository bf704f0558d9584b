//! Durations in Go's notation.

use std::time::Duration;

use process_wrapper::gitlab::GoDuration;

/// What is read is the sum of what stands there, and is read again from its nanoseconds; what is
/// refused is refused in one line.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read: GoDuration = match text.parse() {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "one line: {error}");
            return;
        }
    };
    let GoDuration(duration) = read;
    assert!(
        duration <= Duration::from_nanos(i64::MAX.unsigned_abs()),
        "Go could hold it"
    );
    let written = format!("{}ns", duration.as_nanos());
    assert_eq!(written.parse(), Ok(read));
    let expected = sum(text);
    let difference = (duration.as_secs_f64() - expected).abs();
    assert!(
        difference <= 1e-9 * expected.max(100.0),
        "{text} is {expected} s, not {duration:?}"
    );
}

/// The seconds, by floating point and without any check.
fn sum(text: &str) -> f64 {
    let mut rest = text.trim_start_matches(['+', '-']);
    let mut sum = 0.0;
    while rest != "0" && !rest.is_empty() {
        let unit = rest
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .unwrap();
        let (number, after) = rest.split_at(unit);
        let next = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(next);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "ns" => 1e-9,
            _ => 1e-6,
        };
        sum += number.parse::<f64>().unwrap() * seconds;
        rest = after;
    }
    sum
}
