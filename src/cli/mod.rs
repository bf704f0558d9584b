//! The command line.
//!
//! Owns how arguments become validated commands. It never parses what follows the first `--`: that belongs
//! to the wrapped process, bytes and all.

mod arguments;
mod client;
mod connections;
mod listeners;
mod monitoring;
mod options;
mod run;
mod secrets;
#[cfg(feature = "webhooks")]
mod webhooks;

use std::ffi::OsString;
use std::io::Write;

use crate::process::{exec_stub, sentinel};

/// What the command line asked for, done; the code to exit with.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let mut arguments = arguments.into_iter().peekable();
    // What we start ourselves: helpers of `--on-wrapper-death`, which no user calls.
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
    match parse(arguments) {
        Ok(options::Command::Run(options)) => run::run(&options),
        Ok(options::Command::Status(target)) => client::status(&target),
        Ok(options::Command::ShutdownOptions(options)) => client::shutdown(&options),
        Ok(options::Command::Wait(options)) => client::wait(&options),
        Ok(options::Command::Probe(options)) => client::probe(&options),
        Err(options::ParseRefusal::Help(text)) => {
            print(&text);
            0
        }
        Err(options::ParseRefusal::Usage(text)) => usage(&text),
    }
}

/// What becomes of a command line, without carrying it out: for whoever checks the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckedArguments {
    /// It would be carried out; what was understood, in no stable form.
    Command(String),
    /// This text would be printed, and nothing else done.
    Help(String),
    /// It would be refused with this text, before anything is started.
    Usage(String),
}

/// Reads a command line and does nothing: no I/O, no environment.
pub fn check(arguments: impl IntoIterator<Item = OsString>) -> CheckedArguments {
    match parse(arguments) {
        Ok(command) => CheckedArguments::Command(format!("{command:?}")),
        Err(options::ParseRefusal::Help(text)) => CheckedArguments::Help(text),
        Err(options::ParseRefusal::Usage(text)) => CheckedArguments::Usage(text),
    }
}

fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<options::Command, options::ParseRefusal> {
    let split = arguments::split(arguments)
        .map_err(|error| options::ParseRefusal::Usage(error.to_string()))?;
    options::parse(split)
}

/// Says what is wrong with the command line.
fn usage(text: &str) -> u8 {
    let text = text.trim_end().trim_end_matches('.');
    complain(&format!("{text}; see process-wrapper --help"));
    USAGE
}

/// The exit code for a wrong command line or address.
const USAGE: u8 = 2;

/// The exit code for whatever else fails on our side.
const FAILED: u8 = 1;

/// A reader who has gone (`| head`) has read what it wanted.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// One line on stderr, before the log stands. Where nobody reads it the exit code still tells: `eprintln!`
/// would panic, and its own code take the place of ours.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "process-wrapper: {text}");
}
