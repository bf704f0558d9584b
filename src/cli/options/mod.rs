//! The argh parser: one file per command.
//!
//! Owns the choice of the command, and the words about a wrong one. It never runs a command.

mod about;
mod environment;
mod gitlab_log;
mod gitlab_words;
mod probe;
mod run;
mod shutdown;
mod stages;
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
pub(super) use environment::PREFIX;
pub(super) use probe::Probe;
pub(super) use run::Run;
#[cfg(feature = "webhooks")]
pub(super) use run::{StateOptions, WebhookOptions};
pub(super) use shutdown::{ShutdownOptions, WebhookSource};
pub(super) use table::{Flag, PROGRAM, Table, choices, metavar, repeats};
pub(super) use target::{Output, Target, Waiting};
pub(super) use wait::Wait;
#[cfg(feature = "webhooks")]
pub(super) use webhooks::{Webhooks, WebhooksAction};

use crate::cli::arguments::Split;
use suggestions::nearest;
use words::{Word, words};

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
    Status(Target),
    Shutdown(ShutdownOptions),
    Wait(Wait),
    Probe(Probe),
    #[cfg(feature = "webhooks")]
    Webhooks(Webhooks),
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
        Self::Usage(format!("{line}; see {PROGRAM}{command} --help"))
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
    let Some((first, rest)) = own.split_first() else {
        let text = "the command is missing; name run, wrapper, status, shutdown, wait or probe";
        return Err(ParseRefusal::usage("", text));
    };
    let Some(table) = Table::command(first) else {
        return Err(without_command(first, rest));
    };
    let table = check_words(table, rest, split.command.is_some())?;
    let name = table.name();
    let refuse = |text: String| ParseRefusal::usage(name, &text);
    let additions = environment::additions(&table, rest, variables)
        .map_err(|invalid| refuse(invalid.to_string()))?;
    let sources = |mut text: String| {
        for (option, variable) in &additions.sources {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            if words.any(|word| word == *option) {
                text.push_str(&format!("; {option} comes from {variable}"));
            }
        }
        refuse(text)
    };
    let all: Vec<&str> = own
        .iter()
        .chain(&additions.words)
        .map(String::as_str)
        .collect();
    let arguments =
        Arguments::from_args(&[PROGRAM], &all).map_err(|exit| sources(one_line(&exit.output)))?;
    if split.command.is_some() && !["run", gitlab_words::NAME].contains(&name) {
        let text = "only `run` and `wrapper` accept arguments after `--`";
        return Err(refuse(text.to_owned()));
    }
    let mut warnings = environment::unknown(&table, variables);
    let command = match arguments.command {
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
        None => unknown_command(name, false),
    }
}

/// What a line without a command asks for: a text, or an error.
fn without_command(first: &str, rest: &[String]) -> ParseRefusal {
    let command = rest.first().map(String::as_str);
    match first {
        "help" | "--help" => about(command, About::Help),
        "-h" => about(command, About::ShortHelp),
        "--version" => ParseRefusal::from(About::Version(Output::Text)),
        "-V" => ParseRefusal::from(About::ShortVersion),
        option if option.starts_with('-') => {
            let commands = Table::commands();
            let owner = commands.iter().find(|table| table.option(option).is_some());
            let text = match owner {
                Some(table) => format!(
                    "{option} stands before the command; write {PROGRAM} {} {option} …",
                    table.name()
                ),
                None => format!("unrecognized option {option}; the command comes first"),
            };
            ParseRefusal::usage("", &text)
        }
        name => unknown_command(name, true),
    }
}

/// `starts`: whether the name may be that of a program to start.
fn unknown_command(name: &str, starts: bool) -> ParseRefusal {
    let commands = Table::commands();
    let text = match nearest(name, commands.iter().map(Table::name)) {
        Some(near) => format!("no command is named {name:?}; did you mean {near}?"),
        None if starts => format!(
            "no command is named {name:?}; to start a program, write {PROGRAM} run -- {name}"
        ),
        None => format!("no command is named {name:?}"),
    };
    ParseRefusal::usage("", &text)
}

/// Answers a request for help, and refuses words that the command cannot have.
fn check_words(table: Table, rest: &[String], has_command: bool) -> Result<Table, ParseRefusal> {
    for word in words(&table, rest) {
        let text = match word {
            Word::Known(_) => continue,
            // argh takes the word for a question as well, and has no answer.
            Word::Argument("help") if ["man", "completions"].contains(&table.name()) => {
                return Err(ParseRefusal::from(About::Help(table)));
            }
            Word::Unknown("--help") => {
                return Err(ParseRefusal::from(About::Help(table)));
            }
            Word::Unknown("-h") => {
                return Err(ParseRefusal::from(About::ShortHelp(table)));
            }
            Word::Unknown(option) => match nearest(option, table.options().map(|flag| flag.long)) {
                Some(near) => format!("unrecognized option {option}; did you mean {near}?"),
                None => format!("unrecognized option {option}"),
            },
            Word::Argument(_) if !table.info.positionals.is_empty() => continue,
            Word::Argument(word) if table.name() == "run" && !has_command => format!(
                "unrecognized argument {word:?}; write `--` before the command: {PROGRAM} run -- \
                 {word}"
            ),
            Word::Argument(word) => format!("unrecognized argument {word:?}"),
        };
        let advice = match table.name() {
            gitlab_words::NAME => gitlab_words::advice(&table, rest, has_command),
            _ => String::new(),
        };
        return Err(ParseRefusal::usage(table.name(), &(text + &advice)));
    }
    Ok(table)
}

/// Joins the lines of an argh message.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
