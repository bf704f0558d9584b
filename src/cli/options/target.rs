//! The options that all client commands share: addresses, timeouts, identity, output.
//!
//! Owns their names, help texts and validation. It never connects.

use std::str::FromStr;
use std::time::Duration;

use super::environment::Sources;
use crate::address::Address;
use crate::client::{self, Identity};
use crate::human_duration::HumanDuration;

/// Defines the arguments of a client command: `--address`, its own options, then the options that
/// all client commands share. argh has no way to flatten one struct into another.
macro_rules! client_arguments {
    (
        connect_timeout = $connect_timeout:tt;
        output = $output:tt;
        $(#[$($attribute:tt)*])*
        struct $name:ident { $($fields:tt)* }
    ) => {
        #[derive(Debug, argh::FromArgs, argh::ArgsInfo)]
        $(#[$($attribute)*])*
        pub(super) struct $name {
            /// where the wrapper listens: unix:///abs, unix:rel or tcp://host:port; repeatable
            /// (default: PROCESS_WRAPPER_ADDRESS, else the default of `run`)
            #[argh(option, arg_name = "address")]
            address: Vec<crate::address::Address>,

            $($fields)*

            #[doc = $connect_timeout]
            #[argh(option, arg_name = "duration")]
            connect_timeout: Option<crate::human_duration::HumanDuration>,

            /// CA certificates that sign the wrapper's certificate, PEM; makes tcp addresses use
            /// TLS (default: none)
            #[argh(option, arg_name = "file")]
            tls_ca: Option<std::path::PathBuf>,

            /// client certificate (chain), PEM (default: none)
            #[argh(option, arg_name = "file")]
            tls_cert: Option<std::path::PathBuf>,

            /// private key of --tls-cert, PEM (default: none)
            #[argh(option, arg_name = "file")]
            tls_key: Option<std::path::PathBuf>,

            /// name to expect in the wrapper's certificate (default: the host of the address)
            #[argh(option, arg_name = "name")]
            server_name: Option<String>,

            /// file whose first line is the bearer token to send (default: none)
            #[argh(option, arg_name = "file")]
            token_file: Option<std::path::PathBuf>,

            /// format of the output (default: text)
            #[argh(
                option,
                short = 'o',
                default = "crate::cli::options::Output::Text",
                arg_name = $output
            )]
            output: crate::cli::options::Output,

            /// whether states have colours; auto: on a terminal (default: auto)
            #[argh(
                option,
                default = "crate::cli::options::Color::Auto",
                arg_name = "auto|always|never"
            )]
            color: crate::cli::options::Color,
        }

        impl $name {
            /// Takes the shared options out.
            fn take_target(
                &mut self,
            ) -> Result<crate::cli::options::Target, String> {
                crate::cli::options::Target::new(
                    std::mem::take(&mut self.address),
                    self.connect_timeout.take(),
                    self.output,
                    self.color,
                    crate::client::Identity {
                        authorities: self.tls_ca.take(),
                        certificate: self.tls_cert.take(),
                        key: self.tls_key.take(),
                        server_name: self.server_name.take(),
                        token: self.token_file.take(),
                    },
                )
            }
        }
    };
}
pub(super) use client_arguments;

/// The format of the answer on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Output {
    /// Lines or a table, for people.
    Text,
    /// JSON documents, one per line, for programs.
    Json,
}

impl FromStr for Output {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            // One word or the other, so that one variable fits all commands.
            "json" | "jsonl" => Ok(Self::Json),
            _ => Err("write text or json"),
        }
    }
}

/// The value of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Color {
    /// Where a person looks, by the terminal and the environment.
    Auto,
    Always,
    Never,
}

impl FromStr for Color {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err("write auto, always or never"),
        }
    }
}

/// The shared options, validated.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    /// Empty: the default address.
    pub(in crate::cli) addresses: Vec<Address>,
    pub(in crate::cli) connect_timeout: Duration,
    pub(in crate::cli) output: Output,
    pub(in crate::cli) color: Color,
    pub(in crate::cli) identity: Identity,
    /// For errors after the parser.
    pub(in crate::cli) sources: Sources,
}

impl Target {
    pub(super) fn new(
        addresses: Vec<Address>,
        connect_timeout: Option<HumanDuration>,
        output: Output,
        color: Color,
        identity: Identity,
    ) -> Result<Self, String> {
        let connect_timeout =
            connect_timeout.map_or(client::CONNECT_TIMEOUT, |duration| duration.0);
        if connect_timeout.is_zero() {
            let text = "--connect-timeout must be longer than 0; write for example 1s";
            return Err(text.to_owned());
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
                return Err(format!(
                    "{option} has no effect without {needs}; add {needs}, or omit {option}"
                ));
            }
        }
        for (at, address) in addresses.iter().enumerate() {
            if addresses.iter().take(at).any(|one| one == address) {
                return Err(format!(
                    "--address {address} is given twice; give each address once"
                ));
            }
            if matches!(address, Address::Tcp { port: 0, .. }) {
                return Err(format!(
                    "--address {address} has port 0, where nothing listens; write the port of the \
                     wrapper"
                ));
            }
        }
        Ok(Self {
            addresses,
            connect_timeout,
            output,
            color,
            identity,
            sources: Sources::default(),
        })
    }
}

/// The options of a wait, validated.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Waiting {
    /// `None`: no limit.
    pub(in crate::cli) timeout: Option<Duration>,
    /// Whether to exit with the exit code of the process.
    pub(in crate::cli) propagate_exit: bool,
}

impl Waiting {
    pub(super) fn new(
        timeout: Option<HumanDuration>,
        propagate_exit: bool,
    ) -> Result<Self, String> {
        // Zero leaves no time to connect, and would report the wrapper as unreachable.
        if timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            let text = "--timeout must be longer than 0; use `status` for the present state";
            return Err(text.to_owned());
        }
        Ok(Self {
            timeout: timeout.map(|duration| duration.0),
            propagate_exit,
        })
    }
}
