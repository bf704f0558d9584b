//! The completion script for fish(1).
//!
//! Owns its text. Which words exist comes from the table.

use std::fmt::Write;

use super::super::options::{Flag, PROGRAM, Table, choices, metavar};
use super::{first_clause, is_file};

/// The script.
pub(super) fn script() -> String {
    let commands = Table::commands();
    let names: Vec<_> = commands.iter().map(Table::name).collect();
    let names = names.join(" ");
    let complete = format!("complete -c {PROGRAM}");
    let mut script = format!("# fish completion for {PROGRAM}\n\n");
    let _ = writeln!(
        script,
        "{complete} -n __fish_use_subcommand -f -a help -d 'Show the help of a command.'
{complete} -n '__fish_seen_subcommand_from help' -f -a '{names}'"
    );
    for table in &commands {
        let text = quoted(table.info.description);
        let name = table.name();
        let _ = writeln!(
            script,
            "{complete} -n __fish_use_subcommand -f -a {name} -d '{text}'"
        );
    }
    for table in &commands {
        let name = table.name();
        let here = format!("{complete} -n '__fish_seen_subcommand_from {name}'");
        match name {
            "completions" => {
                let _ = writeln!(script, "{here} -f -a 'bash zsh fish'");
            }
            "man" => {
                let _ = writeln!(script, "{here} -f -a '{names}'");
            }
            "webhooks" => {
                let _ = writeln!(script, "{here} -f -a 'list retry drop'");
            }
            // The wrapped command.
            "run" => {
                let _ = writeln!(
                    script,
                    "{here} -a '(__fish_complete_subcommand --fcs-skip=2)'"
                );
            }
            _ => {
                let _ = writeln!(script, "{here} -f");
            }
        }
        for flag in table.options() {
            let _ = writeln!(script, "{here}{}", option(flag));
        }
    }
    script
}

fn option(flag: &Flag) -> String {
    let mut words = format!(" -l {}", flag.long.trim_start_matches('-'));
    if let Some(letter) = flag.short {
        let _ = write!(words, " -s {letter}");
    }
    if let Some(metavar) = metavar(flag) {
        let value = match choices(flag) {
            _ if is_file(&metavar) => " -r -F".to_owned(),
            choices if choices.is_empty() => " -x".to_owned(),
            choices => format!(" -x -a '{}'", choices.join(" ")),
        };
        words.push_str(&value);
    }
    let _ = write!(words, " -d '{}'", quoted(first_clause(flag.description)));
    words
}

/// Text without a meaning inside single quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
