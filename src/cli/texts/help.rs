//! The help texts: a short one for `-h`, a long one for `--help`.
//!
//! Owns their layout, 80 columns wide. It never knows a single option.

use std::fmt::Write;

use argh::CommandInfoWithArgs;

use super::super::options::{Flag, PROGRAM, Table, metavar};
use super::super::wrap;
use super::first_clause;

/// How much a help text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// A line or two for each option.
    Short,
    /// Everything.
    Long,
}

const COLUMNS: usize = 80;

/// Where a short description begins.
const SHORT_INDENT: usize = 33;

/// Where a long description begins.
const LONG_INDENT: usize = 10;

/// The help of a command, or of the program.
pub(super) fn help(table: &Table, length: Length) -> String {
    let info = &table.info;
    let mut text = format!("Usage: {}\n\n", table.usage());
    wrap(&mut text, info.description, 0, 0);
    if !info.commands.is_empty() {
        text.push_str("\nCommands:\n");
        for command in &info.commands {
            entry(&mut text, command.name, command.command.description, 15);
        }
        let words = "Show the help of a command, or of the program.";
        entry(&mut text, "help", words, 15);
    }
    if !info.positionals.is_empty() {
        text.push_str("\nArguments:\n");
        for argument in info.positionals {
            entry(
                &mut text,
                &argument.name.to_uppercase(),
                argument.description,
                15,
            );
        }
    }
    for (title, flags) in table.groups() {
        let _ = write!(text, "\n{title}:\n");
        for flag in flags {
            match length {
                Length::Short => entry(&mut text, &left(flag), &brief(flag), SHORT_INDENT),
                Length::Long => in_full(&mut text, table, flag),
            }
        }
    }
    text.push_str("\nHelp:\n");
    entry(
        &mut text,
        "-h, --help",
        "show a short help, or this one in full",
        SHORT_INDENT,
    );
    if table.name().is_empty() {
        let words = "-V: the version in one line; --version: also how it was built";
        entry(&mut text, "-V, --version", words, SHORT_INDENT);
    }
    match length {
        Length::Short => {
            let name = match table.name() {
                "" => String::new(),
                name => format!(" {name}"),
            };
            let _ = write!(
                text,
                "\n`{PROGRAM}{name} --help` has the details, and examples.\n"
            );
        }
        Length::Long => sections(&mut text, info),
    }
    text
}

/// `-o, --output text|json`.
fn left(flag: &Flag) -> String {
    let short = flag
        .short
        .map(|letter| format!("-{letter}, "))
        .unwrap_or_default();
    let value = metavar(flag)
        .map(|name| format!(" {name}"))
        .unwrap_or_default();
    format!("{short}{}{value}", flag.long)
}

/// The first clause, with a default that is short.
fn brief(flag: &Flag) -> String {
    let clause = first_clause(flag.description);
    let default = flag.description.rsplit_once("(default: ");
    match default.map(|(_, default)| default.trim_end_matches(')')) {
        Some(default) if default != "none" && default.len() <= 10 => {
            format!("{clause} (default: {default})")
        }
        Some(_) | None => clause.to_owned(),
    }
}

/// One option over several lines.
fn in_full(text: &mut String, table: &Table, flag: &Flag) {
    let _ = writeln!(text, "  {}", left(flag));
    wrap(text, flag.description, LONG_INDENT, LONG_INDENT);
    if let Some(name) = table.variable(flag) {
        let _ = writeln!(text, "{:LONG_INDENT$}[env: {name}]", "");
    }
}

/// The parts behind the options.
fn sections(text: &mut String, info: &CommandInfoWithArgs) {
    if !info.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for example in info.examples {
            let _ = writeln!(text, "  {example}");
        }
    }
    if !info.notes.is_empty() {
        text.push_str("\nNotes:\n");
        for note in info.notes {
            for line in note.lines() {
                wrap(text, line, 2, 2);
            }
        }
    }
    if !info.error_codes.is_empty() {
        text.push_str("\nExit codes:\n");
        for code in info.error_codes {
            entry(text, &code.code.to_string(), code.description, 6);
        }
    }
}

/// A name, and its description in a column.
fn entry(text: &mut String, name: &str, description: &str, indent: usize) {
    let _ = write!(text, "  {name}");
    let used = name.chars().count() + 2;
    if used + 2 > indent {
        text.push('\n');
        wrap(text, description, indent, indent);
    } else {
        let _ = write!(text, "{:1$}", "", indent - used);
        wrap(text, description, 0, indent);
    }
}

fn wrap(text: &mut String, words: &str, first: usize, indent: usize) {
    wrap::wrap(text, words, first, indent, COLUMNS);
}
