//! What all client commands share: whom to call, how long to try, how to answer.
//!
//! Owns the validation of those options. It never connects.

use std::str::FromStr;
use std::time::Duration;

use super::ParseRefusal;
use crate::address::Address;
use crate::client::{self, Identity};
use crate::human_duration::HumanDuration;

/// The form of the answer on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Output {
    /// A line or a table, for people.
    Text,
    /// One JSON document, for programs.
    Json,
}

impl FromStr for Output {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write text or json"),
        }
    }
}

/// Whom to call and how to answer, validated.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    /// Empty means the default address.
    pub(in crate::cli) addresses: Vec<Address>,
    pub(in crate::cli) connect_timeout: Duration,
    pub(in crate::cli) output: Output,
    pub(in crate::cli) identity: Identity,
}

impl Target {
    pub(super) fn new(
        addresses: Vec<Address>,
        connect_timeout: Option<HumanDuration>,
        output: Output,
        identity: Identity,
    ) -> Result<Self, ParseRefusal> {
        let connect_timeout = connect_timeout.map_or(client::CONNECT_TIMEOUT, |span| span.0);
        if connect_timeout.is_zero() {
            let text = "--connect-timeout must be longer than 0; write for example 1s";
            return Err(ParseRefusal::Usage(text.to_owned()));
        }
        let tls = identity.authorities.is_some();
        for (option, given, needs, there) in [
            (
                "--tls-cert",
                identity.certificate.is_some(),
                "--tls-ca",
                tls,
            ),
            ("--tls-key", identity.key.is_some(), "--tls-ca", tls),
            (
                "--server-name",
                identity.server_name.is_some(),
                "--tls-ca",
                tls,
            ),
            (
                "--tls-cert",
                identity.certificate.is_some(),
                "--tls-key",
                identity.key.is_some(),
            ),
            (
                "--tls-key",
                identity.key.is_some(),
                "--tls-cert",
                identity.certificate.is_some(),
            ),
        ] {
            if given && !there {
                return Err(ParseRefusal::Usage(format!(
                    "{option} does nothing without {needs}"
                )));
            }
        }
        Ok(Self {
            addresses,
            connect_timeout,
            output,
            identity,
        })
    }
}

/// How to wait for a state, validated.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Waiting {
    /// `None` waits for as long as it takes.
    pub(in crate::cli) timeout: Option<Duration>,
    /// Whether to leave with the process's own exit code.
    pub(in crate::cli) propagate_exit: bool,
}

impl Waiting {
    pub(super) fn new(
        timeout: Option<HumanDuration>,
        propagate_exit: bool,
    ) -> Result<Self, ParseRefusal> {
        // No time would be no time to connect either, and the answer that nobody is there.
        if timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            let text = "--timeout must be longer than 0; `status` tells how it stands now";
            return Err(ParseRefusal::Usage(text.to_owned()));
        }
        Ok(Self {
            timeout: timeout.map(|span| span.0),
            propagate_exit,
        })
    }
}
