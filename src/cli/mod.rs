//! The command line.
//!
//! Owns how arguments become validated commands. It never parses what follows the first `--`: that belongs
//! to the wrapped process, bytes and all.

mod arguments;
mod options;
mod run;

use std::ffi::OsString;

/// What the command line asked for, done; the code to exit with.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let split = match arguments::split(arguments) {
        Ok(split) => split,
        Err(error) => return usage(&error.to_string()),
    };
    match options::parse(split) {
        Ok(options::Command::Run(options)) => run::run(&options),
        Err(options::Refusal::Help(text)) => {
            print(&text);
            0
        }
        Err(options::Refusal::Usage(text)) => usage(&text),
    }
}

/// Says what is wrong with the command line.
fn usage(text: &str) -> u8 {
    complain(&format!("{}; see process-wrapper --help", text.trim_end()));
    USAGE
}

/// The exit code for a wrong command line or address.
const USAGE: u8 = 2;

/// The exit code for whatever else fails on our side.
const FAILED: u8 = 1;

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{}", text.trim_end());
}

/// One line on stderr, before the log stands.
#[allow(clippy::print_stderr)]
fn complain(text: &str) {
    eprintln!("process-wrapper: {text}");
}
