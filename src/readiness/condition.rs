//! When a process counts as ready: `5s`, `unix:///run/app.sock`, `tcp://localhost:9252`,
//! `http://localhost:9252/health/ready`.
//!
//! Owns the text form of `--ready-after`. It never connects.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::address::{Address, AddressFault, is_beyond_loopback};
use crate::human_duration::{HumanDuration, InvalidDuration};

/// When a process counts as ready to handle its graceful signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadyAfter {
    /// This long after its start.
    Delay(Duration),
    /// Once it answers.
    Answer(ReadinessProbe),
}

/// How to ask a process whether it is ready. Its address is a socket file or on loopback: the
/// process runs on this machine, and no name has to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadinessProbe {
    /// A connection to this address succeeds.
    Connect(Address),
    /// A GET request is answered with a status from 200 to 299.
    Get {
        /// Where the process serves HTTP/1.1.
        address: Address,
        /// The request target: an absolute path, possibly with a query (RFC 9112 section 3.2.1).
        target: String,
    },
}

/// Why a text names no such condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReadyAfter {
    /// Neither a duration nor an address.
    #[error(
        "it is neither a duration nor an address; write for example 5s, unix:///run/app.sock, \
         tcp://localhost:9252 or http://localhost:9252/health/ready"
    )]
    Form,
    /// It begins with a digit but is no duration.
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    /// The part that names the address is wrong.
    #[error("{0}")]
    Address(AddressFault),
    /// A URL without a port.
    #[error("the port is missing; write http://localhost:PORT/PATH")]
    NoPort,
    /// Port 0.
    #[error("no process listens on port 0; write the port that it listens on")]
    PortZero,
    /// A host other than loopback.
    #[error("{0} is not on loopback; write localhost, 127.0.0.1 or [::1]")]
    BeyondLoopback(Address),
    /// An https URL.
    #[error("https is not supported; write an http URL on loopback, or tcp://localhost:PORT")]
    Https,
    /// The target of a URL has other characters than a request line may have.
    #[error("the path may hold visible ASCII characters only; percent-encode the others")]
    Target,
    /// A URL with a fragment.
    #[error("a fragment (`#…`) is never sent; remove it")]
    Fragment,
}

impl FromStr for ReadyAfter {
    type Err = InvalidReadyAfter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("http://") {
            return http(rest).map(Self::Answer);
        }
        if text.starts_with("https:") {
            return Err(InvalidReadyAfter::Https);
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Self::Delay(text.parse::<HumanDuration>()?.0));
        }
        match on_loopback(text) {
            Ok(address) => Ok(Self::Answer(ReadinessProbe::Connect(address))),
            Err(InvalidReadyAfter::Address(AddressFault::Scheme | AddressFault::Empty)) => {
                Err(InvalidReadyAfter::Form)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads what follows `http://`.
fn http(rest: &str) -> Result<ReadinessProbe, InvalidReadyAfter> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if target.contains('#') {
        return Err(InvalidReadyAfter::Fragment);
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(InvalidReadyAfter::Target);
    }
    let address = match on_loopback(&format!("tcp://{authority}")) {
        Err(InvalidReadyAfter::Address(AddressFault::NoPort)) => {
            return Err(InvalidReadyAfter::NoPort);
        }
        address => address?,
    };
    // The path of a request target is never empty, RFC 9112 section 3.2.1.
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok(ReadinessProbe::Get {
        address,
        target: format!("{slash}{target}"),
    })
}

fn on_loopback(text: &str) -> Result<Address, InvalidReadyAfter> {
    let parsed = text.parse::<Address>();
    let address = parsed.map_err(|error| InvalidReadyAfter::Address(error.why().clone()))?;
    if matches!(address, Address::Tcp { port: 0, .. }) {
        return Err(InvalidReadyAfter::PortZero);
    }
    if is_beyond_loopback(&address) {
        return Err(InvalidReadyAfter::BeyondLoopback(address));
    }
    Ok(address)
}

impl fmt::Display for ReadyAfter {
    /// Prints the condition in a form that parses back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(delay) => HumanDuration(*delay).fmt(f),
            Self::Answer(probe) => probe.fmt(f),
        }
    }
}

impl fmt::Display for ReadinessProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address) => address.fmt(f),
            Self::Get { address, target } => write!(f, "http://{}{target}", authority(address)),
        }
    }
}

/// The host and the port of an address; `localhost` for a socket file.
pub(super) fn authority(address: &Address) -> String {
    match address {
        Address::Unix(_) => "localhost".to_owned(),
        Address::Tcp { host, port } => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> InvalidReadyAfter {
        text.parse::<ReadyAfter>().unwrap_err()
    }

    #[test]
    fn every_form_parses_and_prints_back() {
        for text in [
            "300ms",
            "1m30s",
            "unix:///run/app.sock",
            "unix:app.sock",
            "tcp://localhost:9252",
            "tcp://[::1]:1",
            "http://localhost:9252/health/ready",
            "http://127.0.0.2:80/?full=1",
        ] {
            let parsed: ReadyAfter = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!("0".parse(), Ok(ReadyAfter::Delay(Duration::ZERO)));
    }

    #[test]
    fn a_url_without_a_path_asks_for_the_root() {
        for (text, target) in [
            ("http://localhost:1", "/"),
            ("http://localhost:1?a", "/?a"),
            ("http://localhost:1/a%20b?c", "/a%20b?c"),
        ] {
            let Ok(ReadyAfter::Answer(ReadinessProbe::Get { target: parsed, .. })) = text.parse()
            else {
                panic!("{text}");
            };
            assert_eq!(parsed, target);
        }
    }

    #[test]
    fn only_this_machine_is_asked() {
        for text in [
            "tcp://10.0.0.1:80",
            "tcp://0.0.0.0:80",
            "tcp://example.org:80",
            "http://example.org:80/",
            "http://[2001:db8::1]:80/",
        ] {
            assert!(
                matches!(refusal(text), InvalidReadyAfter::BeyondLoopback(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_advice() {
        for (text, word) in [
            ("", "http://localhost"),
            ("soon", "5s"),
            ("5", "1h30m"),
            ("-1s", "neither"),
            ("http://localhost/ready", "PORT/PATH"),
            ("https://localhost:1/", "http URL"),
            ("http://localhost:1/a b", "percent-encode"),
            ("http://localhost:1/a\r\nHost: x", "percent-encode"),
            ("http://user@localhost:1/", "host name"),
            ("http://localhost:1/#top", "fragment"),
            ("tcp://localhost:0", "port 0"),
            ("unix:", "path is empty"),
        ] {
            let error = refusal(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: {error}");
        }
    }
}
