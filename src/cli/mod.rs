//! The command line.
//!
//! Owns the way from arguments to a validated command. It never parses the arguments after the
//! first `--`, which belong to the wrapped process.

mod arguments;
mod client;
mod connections;
mod default_socket;
mod listeners;
mod monitoring;
mod options;
mod run;
mod secrets;
mod spawn;
#[cfg(feature = "webhooks")]
mod state_dir;
#[cfg(feature = "webhooks")]
mod state_files;
mod texts;
#[cfg(feature = "webhooks")]
mod webhooks;
mod wrap;

use std::ffi::OsString;
use std::io::Write;

use crate::process::{exec_stub, sentinel, signals};

/// Runs the command line and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments = arguments.into_iter().peekable();
    // Internal commands: the wrapper starts the helpers of `--on-wrapper-death` with them.
    if arguments
        .next_if(|first| *first == sentinel::ARGUMENT)
        .is_some()
    {
        let signal = arguments
            .next()
            .and_then(|name| name.to_str()?.parse().ok());
        return sentinel::run(signal);
    }
    if arguments
        .next_if(|first| *first == exec_stub::ARGUMENT)
        .is_some()
    {
        return exec_stub::run(arguments);
    }
    let parsed = match parse(arguments, &variables()) {
        Ok(parsed) => parsed,
        Err(options::ParseRefusal::About(about)) => {
            print(&texts::text(&about));
            return 0;
        }
        Err(options::ParseRefusal::Usage(text)) => return usage(&text),
    };
    for warning in &parsed.warnings {
        write_line(tracing::Level::WARN, warning);
    }
    match parsed.command {
        options::Command::Run(mut options) => {
            options.read_environment(|name| std::env::var(name).ok());
            run::run(&options)
        }
        options::Command::Status(options) => client::status(&options),
        options::Command::Shutdown(options) => client::shutdown(&options),
        options::Command::Wait(options) => client::wait(&options),
        options::Command::Events(options) => client::events(&options),
        options::Command::Probe(options) => client::probe(&options),
        #[cfg(feature = "webhooks")]
        options::Command::Webhooks(options) => state_files::webhooks(&options),
    }
}

/// The environment variables that are meant for us.
fn variables() -> Vec<(String, OsString)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(options::PREFIX))
        .collect()
}

/// The result of [`check`], for tests of the parser.
#[cfg(feature = "unstable-internals")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckedArguments {
    /// A valid command, as Debug output without a stable format.
    Command(String),
    /// A text about the program, to print.
    Text(String),
    /// Invalid: the error message.
    Usage(String),
}

/// Parses a command line, and the environment variables that it may take options from. Performs no
/// I/O and reads no environment.
#[cfg(feature = "unstable-internals")]
pub fn check(
    arguments: impl IntoIterator<Item = OsString>,
    variables: &[(String, OsString)],
) -> CheckedArguments {
    match parse(arguments, variables) {
        Ok(parsed) => CheckedArguments::Command(format!("{:?}", parsed.command)),
        Err(options::ParseRefusal::About(about)) => CheckedArguments::Text(texts::text(&about)),
        Err(options::ParseRefusal::Usage(text)) => CheckedArguments::Usage(text),
    }
}

fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variables: &[(String, OsString)],
) -> Result<options::Parsed, options::ParseRefusal> {
    let split = arguments::split(arguments)
        .map_err(|error| options::ParseRefusal::Usage(error.to_string()))?;
    options::parse(split, variables)
}

/// Prints a usage error and returns its exit code.
fn usage(text: &str) -> u8 {
    complain(text);
    USAGE
}

/// The exit code for a wrong command line or address.
const USAGE: u8 = 2;

/// The exit code for every other failure of the wrapper.
const FAILED: u8 = 1;

/// Ignores a closed stdout, as after `| head`.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Writes an error to stderr, outside the log.
fn complain(text: &str) {
    write_line(tracing::Level::ERROR, text);
}

/// Writes one line to stderr, outside the log. Ignores a closed stderr, where `eprintln!` would
/// panic and change the exit code.
fn write_line(level: tracing::Level, text: &str) {
    let priority = crate::log::prefix(level);
    let line = format!("{priority}process-wrapper: {text}\n");
    let _ = signals::without_ttou(|| std::io::stderr().write_all(line.as_bytes()));
}
