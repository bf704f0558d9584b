//! The small words of the command line: signals, durations, rewrite rules, roles, modes, levels.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use process_wrapper::access::{Group, Role, SocketMode};
use process_wrapper::human_duration::HumanDuration;
use process_wrapper::lifecycle::{Rewrite, Rewrites};
use process_wrapper::log;
use process_wrapper::signal::Signal;

/// What is read can be written and read again; what is refused is refused in one line.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let signal = survives::<Signal>(text);
    if let Some(signal) = signal {
        assert!((1..=31).contains(&signal.number()));
    }
    survives::<Role>(text);
    survives::<Group>(text);
    if let Some(mode) = survives::<SocketMode>(text) {
        assert!(mode.0 <= 0o777);
    }
    survives::<HumanDuration>(text);
    one_line(text.parse::<log::Level>());
    one_line(text.parse::<log::LogFormat>());
    if let Some(rule) = one_line(text.parse::<Rewrite>()) {
        let (from, to) = text.split_once(':').unwrap();
        assert_eq!(from.parse(), Ok(rule.from));
        assert_eq!(to.parse().ok(), rule.to);
        let rewrites: Rewrites = [rule].into_iter().collect();
        for signal in Signal::all() {
            let expected = if signal == rule.from {
                rule.to
            } else {
                Some(signal)
            };
            assert_eq!(rewrites.apply(signal), expected);
        }
    }
}

fn survives<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let value: T = one_line(text.parse::<T>())?;
    let again = value.to_string().parse::<T>();
    assert_eq!(again.ok().as_ref(), Some(&value), "{value}");
    Some(value)
}

fn one_line<T, E: Display>(result: Result<T, E>) -> Option<T> {
    if let Err(error) = &result {
        let error = error.to_string();
        assert!(
            !error.is_empty() && !error.contains('\n'),
            "one line: {error}"
        );
    }
    result.ok()
}
