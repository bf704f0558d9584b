//! Values of the options of `run` that have no type elsewhere.
//!
//! Owns their text form. It never knows which option has one.

use std::ffi::OsString;
use std::str::FromStr;

use crate::address::{Address, Host};
use crate::lifecycle::ExitWhenGone;
use crate::process::child::Program;
use crate::signal::{Signal, UnknownSignal};
#[cfg(feature = "webhooks")]
use crate::webhook::{WebhookRequest, method::Method, request::InvalidWebhook};

/// One `--webhook`. An invalid URL passes the parser, because argh would repeat it in its message.
#[cfg(feature = "webhooks")]
#[derive(Debug)]
pub(super) struct WebhookUrl(pub(super) Result<WebhookRequest, InvalidWebhook>);

#[cfg(feature = "webhooks")]
impl FromStr for WebhookUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(WebhookRequest::new(text, Method::Post, [])))
    }
}

/// A user or group id.
#[derive(Debug)]
pub(super) struct Id(pub(super) u32);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.parse().ok().filter(|_| !text.starts_with('+'));
        id.map(Self).ok_or(
            "write one number (`id -u NAME` prints that of a user, `id -g NAME` that of its \
             primary group), and repeat the option for another",
        )
    }
}

/// A number of things.
#[derive(Debug)]
pub(super) struct WholeNumber(pub(super) usize);

impl FromStr for WholeNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.parse().ok().filter(|_| !text.starts_with('+'));
        count
            .map(Self)
            .ok_or("write a whole number, for example 100")
    }
}

/// A host name of `--http-host`.
#[derive(Debug)]
pub(super) struct HttpHost(pub(super) String);

impl FromStr for HttpHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match format!("tcp://{text}:0").parse() {
            Ok(Address::Tcp {
                host: Host::Name(name),
                ..
            }) => Ok(Self(name)),
            Ok(_) => Err("IP addresses and localhost need no entry; leave it out"),
            Err(_) => Err("write a host name without scheme and port, such as runner.example"),
        }
    }
}

/// The value of `--exit-when-gone`.
#[derive(Debug)]
pub(super) struct ExitChoice(pub(super) ExitWhenGone);

impl FromStr for ExitChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Self(ExitWhenGone::Never)),
            "unrequested" => Ok(Self(ExitWhenGone::Unrequested)),
            "always" => Ok(Self(ExitWhenGone::Always)),
            _ => Err("write never, unrequested or always"),
        }
    }
}

/// A signal, or `none`.
#[derive(Debug)]
pub(super) struct SignalOrNone(pub(super) Option<Signal>);

impl FromStr for SignalOrNone {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            name => name.parse().map(|signal| Self(Some(signal))),
        }
    }
}

/// The value of `--after-exit`, split into words.
#[derive(Debug)]
pub(super) struct AfterExitCommand(pub(super) Program);

impl FromStr for AfterExitCommand {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = shell_words::split(text).map_err(|_| "a quotation mark is not closed")?;
        let mut words = words.into_iter().map(OsString::from);
        match words.next() {
            Some(name) if !name.is_empty() => Ok(Self(Program {
                name,
                arguments: words.collect(),
            })),
            Some(_) | None => Err("name a program, for example --after-exit 'rm -f /run/lock'"),
        }
    }
}
