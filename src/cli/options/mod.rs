//! The argh parser: one file per command.
//!
//! Owns the choice of the command, and the words about a wrong one. It never runs a command.

mod about;
mod environment;
mod events;
mod gitlab_log;
mod gitlab_words;
mod mistakes;
mod other_names;
mod probe;
mod run;
mod shutdown;
mod stages;
#[cfg(feature = "webhooks")]
mod state;
mod status;
mod suggestions;
mod table;
mod target;
mod values;
mod wait;
#[cfg(feature = "webhooks")]
mod webhooks;
mod words;
mod wrapper;

use std::ffi::OsString;

use argh::{ArgsInfo, FromArgs};

pub(super) use about::Shell;
pub(super) use environment::{PREFIX, Sources};
pub(super) use probe::Probe;
pub(super) use run::Run;
#[cfg(feature = "webhooks")]
pub(super) use run::WebhookOptions;
pub(super) use shutdown::{ShutdownOptions, WebhookSource};
#[cfg(feature = "webhooks")]
pub(super) use state::StateOptions;
pub(super) use status::StatusOptions;
pub(super) use table::{Flag, PROGRAM, Table, choices, metavar, repeats};
pub(super) use target::{Color, Output, Target, Waiting};
pub(super) use wait::Wait;
#[cfg(feature = "webhooks")]
pub(super) use webhooks::{WebhooksAction, WebhooksCommand};

use crate::cli::arguments::Split;
use mistakes::{check_words, unknown_command, without_command};

/// Run a process under a gRPC control API: ask it to drain, wait until it is gone.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    example = "process-wrapper run -- gitlab-runner run --config /etc/gitlab-runner/config.toml",
    example = "process-wrapper shutdown --wait",
    note = "`process-wrapper help COMMAND` lists the options of a command."
)]
struct Arguments {
    #[argh(subcommand)]
    command: Subcommand,
}

#[derive(Debug, FromArgs, ArgsInfo)]
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
    Events(events::EventsArguments),
    Probe(probe::ProbeArguments),
    #[cfg(feature = "webhooks")]
    Webhooks(webhooks::WebhooksArguments),
    Wrapper(wrapper::WrapperArguments),
    Version(about::VersionArguments),
    Completions(about::CompletionsArguments),
    Man(about::ManArguments),
}

/// A validated command.
#[derive(Debug)]
pub(super) enum Command {
    Run(Box<Run>),
    Status(StatusOptions),
    Shutdown(ShutdownOptions),
    Wait(Wait),
    Events(Wait),
    Probe(Probe),
    #[cfg(feature = "webhooks")]
    Webhooks(WebhooksCommand),
}

impl Command {
    /// Keeps the variables for the errors that come later.
    fn set_sources(&mut self, sources: Sources) {
        match self {
            Self::Run(run) => run.sources = sources,
            Self::Status(options) => options.target.sources = sources,
            Self::Shutdown(options) => options.target.sources = sources,
            Self::Wait(options) | Self::Events(options) => options.target.sources = sources,
            Self::Probe(options) => options.target.sources = sources,
            // It takes no option from a variable.
            #[cfg(feature = "webhooks")]
            Self::Webhooks(_) => {}
        }
    }
}

/// A text about the program that the arguments ask for.
pub(super) enum About {
    /// What `-h` shows.
    ShortHelp(Table),
    /// What `--help` shows.
    Help(Table),
    Manual(Table),
    Completions(Shell),
    /// What `-V` shows.
    ShortVersion,
    Version(Output),
}

/// Why the arguments give no command to run.
pub(super) enum ParseRefusal {
    About(Box<About>),
    /// They are invalid; holds the error message.
    Usage(String),
}

impl From<About> for ParseRefusal {
    fn from(about: About) -> Self {
        Self::About(Box::new(about))
    }
}

impl ParseRefusal {
    /// Invalid arguments, with the command whose help is of use.
    fn usage(command: &str, text: &str) -> Self {
        // A word of the command line may hold a line break, or drive a terminal.
        let mut line = String::with_capacity(text.len());
        for letter in text.trim_end().trim_end_matches('.').chars() {
            if letter.is_control() {
                line.extend(letter.escape_default());
            } else {
                line.push(letter);
            }
        }
        let command = match command {
            "" => String::new(),
            command => format!(" {command}"),
        };
        let see = if line.ends_with('?') { " See" } else { "; see" };
        Self::Usage(format!("{line}{see} {PROGRAM}{command} --help"))
    }
}

/// What [`parse`] found besides the command.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) command: Command,
    /// Sentences about variables that no option has; for `run` they are among its own.
    pub(super) warnings: Vec<String>,
}

/// Parses and validates the arguments, and the variables whose names begin with [`PREFIX`].
pub(super) fn parse(
    split: Split,
    variables: &[(String, OsString)],
) -> Result<Parsed, ParseRefusal> {
    let own = gitlab_words::translate(split.own);
    let (first, rest) = match own.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("", &[][..]),
    };
    let Some(table) = Table::command(first) else {
        return Err(without_command(&own, split.command.as_deref()));
    };
    let table = check_words(table, rest, split.command.is_some())?;
    let name = table.name();
    let refuse = |text: String| ParseRefusal::usage(name, &text);
    let additions = environment::additions(&table, rest, variables)
        .map_err(|invalid| refuse(invalid.to_string()))?;
    let sources = |text: String| refuse(additions.sources.explain(text));
    let all: Vec<&str> = own
        .iter()
        .chain(&additions.words)
        .map(String::as_str)
        .collect();
    let arguments = Arguments::from_args(&[PROGRAM], &all)
        .map_err(|exit| sources(mistakes::of_argh(&table, &exit.output, &all)))?;
    if split.command.is_some() && !["run", gitlab_words::NAME].contains(&name) {
        let text = "only `run` and `wrapper` accept arguments after `--`";
        return Err(refuse(text.to_owned()));
    }
    let mut warnings = environment::unknown(&table, variables);
    let mut command = match arguments.command {
        Subcommand::Run(run) => run
            .validate(split.command)
            .map_err(|refused| sources(refused.to_string()))
            .map(|run| started(run, &mut warnings))?,
        Subcommand::Wrapper(wrapper) => wrapper
            .validate(split.command)
            .map_err(|refused| sources(refused.to_string()))
            .map(|run| started(run, &mut warnings))?,
        Subcommand::Status(status) => Command::Status(status.validate().map_err(sources)?),
        Subcommand::Shutdown(shutdown) => Command::Shutdown(shutdown.validate().map_err(sources)?),
        Subcommand::Wait(wait) => Command::Wait(wait.validate().map_err(sources)?),
        Subcommand::Events(events) => Command::Events(events.validate().map_err(sources)?),
        Subcommand::Probe(probe) => Command::Probe(probe.validate().map_err(sources)?),
        #[cfg(feature = "webhooks")]
        Subcommand::Webhooks(webhooks) => Command::Webhooks(webhooks.validate().map_err(sources)?),
        Subcommand::Man(man) => return Err(about(man.command.as_deref(), About::Manual)),
        Subcommand::Completions(completions) => {
            return Err(ParseRefusal::from(About::Completions(completions.shell)));
        }
        Subcommand::Version(version) => {
            return Err(ParseRefusal::from(About::Version(version.output)));
        }
    };
    command.set_sources(additions.sources);
    Ok(Parsed { command, warnings })
}

/// A wrapper to start, which logs the warnings itself.
fn started(mut run: Run, warnings: &mut Vec<String>) -> Command {
    run.warnings.append(warnings);
    Command::Run(Box::new(run))
}

/// A text about a command, or about the program.
fn about(command: Option<&str>, text: impl Fn(Table) -> About) -> ParseRefusal {
    let Some(name) = command.filter(|name| *name != "help") else {
        return ParseRefusal::from(text(Table::top()));
    };
    match Table::command(name) {
        Some(table) => ParseRefusal::from(text(table)),
        None => unknown_command(name, None),
    }
}
