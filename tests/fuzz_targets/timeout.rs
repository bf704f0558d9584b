//! `grpc-timeout`.

use std::time::Duration;

use process_wrapper::grpc::rules::timeout::{format, parse};

use super::cursor::Cursor;

/// What is understood has the form of the protocol, and is what its digits say; what is written is
/// understood again and is never shorter than what was meant.
pub fn run(data: &[u8]) {
    if let Ok(timeout) = parse(data) {
        let (unit, digits) = data.split_last().unwrap();
        assert!((1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit));
        let value: u64 = std::str::from_utf8(digits).unwrap().parse().unwrap();
        let expected = match unit {
            b'n' => Duration::from_nanos(value),
            b'u' => Duration::from_micros(value),
            b'm' => Duration::from_millis(value),
            b'S' => Duration::from_secs(value),
            b'M' => Duration::from_secs(value * 60),
            b'H' => Duration::from_secs(value * 3600),
            other => panic!("{other} is no unit"),
        };
        assert_eq!(timeout, expected);
        assert_eq!(
            parse(format(timeout).as_bytes()),
            Ok(timeout),
            "exact where it can be"
        );
    }

    let mut cursor = Cursor::new(data);
    let meant = Duration::new(cursor.u64(..), cursor.u32() % 1_000_000_000);
    let written = parse(format(meant).as_bytes()).unwrap();
    let longest = Duration::from_secs(99_999_999 * 3600);
    assert!(
        written >= meant || written == longest,
        "{meant:?} became {written:?}"
    );
    // Rounded up by less than one unit; a coarser unit is only taken for a number of eight digits.
    assert!(written <= meant.saturating_add(Duration::from_secs(3600)));
    assert!(meant >= Duration::from_millis(99) || written == meant);
}
