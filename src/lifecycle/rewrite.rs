//! Which signal is forwarded for which.
//!
//! Owns the rules of `--rewrite-signal FROM:TO`. It never decides what a signal means.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::signal::{Signal, UnknownSignal};

/// One rule: what is received, and what is forwarded for it, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite {
    /// The signal that the wrapper receives.
    pub from: Signal,
    /// The signal that the process gets; `None` ignores it entirely.
    pub to: Option<Signal>,
}

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRewrite {
    /// There is no colon.
    #[error(
        "{0:?} is not of the form FROM:TO; write for example TERM:QUIT, or HUP:0 to ignore SIGHUP"
    )]
    Form(String),
    /// One side is no signal.
    #[error(transparent)]
    Signal(#[from] UnknownSignal),
    /// The wrapper does not take it, or the kernel does not let it be caught.
    #[error(
        "{0} is not forwarded, so it cannot be rewritten; rewrite one of {names}",
        names = names()
    )]
    NotForwarded(Signal),
}

fn names() -> String {
    let names: Vec<_> = Signal::forwarded().map(Signal::name).collect();
    names.join(", ")
}

impl FromStr for Rewrite {
    type Err = InvalidRewrite;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text
            .split_once(':')
            .ok_or_else(|| InvalidRewrite::Form(text.to_owned()))?;
        let from: Signal = from.parse()?;
        if !from.is_forwarded() {
            return Err(InvalidRewrite::NotForwarded(from));
        }
        let to = match to {
            "0" => None,
            name => Some(name.parse()?),
        };
        Ok(Self { from, to })
    }
}

/// All rules; without one a signal is forwarded as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrites(BTreeMap<Signal, Option<Signal>>);

impl Rewrites {
    /// What is forwarded for this signal; `None` means that it is ignored entirely.
    pub fn apply(&self, received: Signal) -> Option<Signal> {
        self.0.get(&received).copied().unwrap_or(Some(received))
    }
}

impl FromIterator<Rewrite> for Rewrites {
    /// Of two rules for the same signal the later one counts; [`contradiction`] finds them.
    fn from_iter<I: IntoIterator<Item = Rewrite>>(rules: I) -> Self {
        Self(rules.into_iter().map(|rule| (rule.from, rule.to)).collect())
    }
}

/// Two rules for the same signal that say different things.
pub fn contradiction(rules: &[Rewrite]) -> Option<(Rewrite, Rewrite)> {
    rules.iter().enumerate().find_map(|(at, rule)| {
        let mut earlier = rules.iter().take(at);
        let other = earlier.find(|other| other.from == rule.from && other.to != rule.to)?;
        Some((*other, *rule))
    })
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            self.from.name(),
            self.to.map_or("0", Signal::name)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_contradict_each_other_are_found() {
        let found = |rules: &[&str]| {
            let rules: Vec<Rewrite> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
            contradiction(&rules).map(|(one, other)| format!("{one} {other}"))
        };
        assert_eq!(found(&["TERM:QUIT", "INT:QUIT", "SIGTERM:3"]), None);
        let pair = Some("TERM:QUIT TERM:0".to_owned());
        assert_eq!(found(&["TERM:QUIT", "HUP:0", "TERM:0"]), pair);
    }

    #[test]
    fn a_rule_names_two_signals_or_ignores_one() {
        let rules: Rewrites = ["TERM:QUIT", "sigusr1:0"]
            .iter()
            .map(|rule| rule.parse().unwrap())
            .collect();
        assert_eq!(rules.apply(Signal::TERM), Some(Signal::QUIT));
        assert_eq!(rules.apply("USR1".parse().unwrap()), None);
        assert_eq!(rules.apply(Signal::INT), Some(Signal::INT));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "TERM",
            "TERM:",
            ":QUIT",
            "TERM:QUIT:INT",
            "KILL:TERM",
            "STOP:0",
            "0:TERM",
        ] {
            assert!(text.parse::<Rewrite>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_signal_that_would_never_be_seen_is_refused_and_the_others_are_named() {
        // LXC asks an init to stop by PWR; systemd's containers by a real-time signal.
        for text in ["PWR:QUIT", "ALRM:TERM", "CHLD:0", "PIPE:0", "STKFLT:TERM"] {
            let error = text.parse::<Rewrite>().unwrap_err().to_string();
            assert!(error.contains("HUP, INT, QUIT, USR1"), "{error}");
        }
        for signal in Signal::forwarded() {
            let rule: Rewrite = format!("{signal}:PWR").parse().unwrap();
            assert_eq!(rule.from, signal);
        }
    }
}
