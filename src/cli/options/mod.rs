//! The argh parser: one file per command.
//!
//! Owns the choice of the command. It never runs one.

mod gitlab_log;
mod gitlab_words;
mod probe;
mod run;
mod shutdown;
mod stages;
mod status;
mod target;
mod values;
mod wait;
mod wrapper;

use argh::FromArgs;

pub(super) use probe::Probe;
pub(super) use run::Run;
#[cfg(feature = "webhooks")]
pub(super) use run::WebhookOptions;
pub(super) use shutdown::{ShutdownOptions, WebhookSource};
pub(super) use target::{Output, Target, Waiting};
pub(super) use wait::Wait;

use crate::cli::arguments::Split;

/// Run a process under a gRPC control API: ask it to drain, wait until it is gone.
#[derive(Debug, FromArgs)]
#[argh(
    help_triggers("-h", "--help"),
    usage = "[--version] COMMAND [OPTIONS]",
    example = "process-wrapper run -- gitlab-runner run --config /etc/gitlab-runner/config.toml",
    example = "process-wrapper shutdown --wait",
    note = "`process-wrapper COMMAND --help` lists the options of a command."
)]
struct Arguments {
    /// print the version and exit
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Subcommand>,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
#[allow(
    clippy::large_enum_variant,
    reason = "one value exists, only during parsing"
)]
enum Subcommand {
    Run(run::RunArguments),
    Status(status::StatusArguments),
    Shutdown(shutdown::ShutdownArguments),
    Wait(wait::WaitArguments),
    Probe(probe::ProbeArguments),
    Wrapper(wrapper::WrapperArguments),
}

/// A validated command.
#[derive(Debug)]
pub(super) enum Command {
    Run(Box<Run>),
    Status(Target),
    Shutdown(ShutdownOptions),
    Wait(Wait),
    Probe(Probe),
}

/// Why the arguments give no command.
#[derive(Debug)]
pub(super) enum ParseRefusal {
    /// `--help` or `--version` was given; holds the text to print.
    Help(String),
    /// The arguments are invalid; holds the error message.
    Usage(String),
}

/// Parses and validates the arguments.
pub(super) fn parse(split: Split) -> Result<Command, ParseRefusal> {
    let own = gitlab_words::translate(split.own);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let arguments =
        Arguments::from_args(&["process-wrapper"], &own).map_err(|exit| match exit.status {
            Ok(()) => ParseRefusal::Help(exit.output),
            Err(()) if own.first() == Some(&gitlab_words::NAME) => {
                let mut text = one_line(&exit.output);
                text.push_str("; write the arguments of gitlab-runner after `--`");
                if split.command.is_none() {
                    text.push_str(": ");
                    text.push_str(&gitlab_words::with_dashes(&own));
                }
                ParseRefusal::Usage(text)
            }
            Err(()) => ParseRefusal::Usage(one_line(&exit.output)),
        })?;
    if arguments.version {
        let version = concat!("process-wrapper ", env!("CARGO_PKG_VERSION"));
        return Err(ParseRefusal::Help(version.to_owned()));
    }
    let command = match arguments.command {
        Some(Subcommand::Run(run)) => {
            return run
                .validate(split.command)
                .map(|run| Command::Run(Box::new(run)))
                .map_err(|refused| ParseRefusal::Usage(refused.to_string()));
        }
        Some(Subcommand::Wrapper(wrapper)) => {
            return wrapper
                .validate(split.command)
                .map(|run| Command::Run(Box::new(run)))
                .map_err(|refused| ParseRefusal::Usage(refused.to_string()));
        }
        Some(Subcommand::Status(status)) => Command::Status(status.validate()?),
        Some(Subcommand::Shutdown(shutdown)) => Command::Shutdown(shutdown.validate()?),
        Some(Subcommand::Wait(wait)) => Command::Wait(wait.validate()?),
        Some(Subcommand::Probe(probe)) => Command::Probe(probe.validate()?),
        None => {
            let text = "the command is missing; name run, wrapper, status, shutdown, wait or probe";
            return Err(ParseRefusal::Usage(text.to_owned()));
        }
    };
    if split.command.is_some() {
        let text = "only `run` and `wrapper` accept arguments after `--`";
        return Err(ParseRefusal::Usage(text.to_owned()));
    }
    Ok(command)
}

/// Joins the lines of an argh message.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
