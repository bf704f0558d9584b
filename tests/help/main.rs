//! The help texts are complete, fit a terminal, and are the only source of option names: what
//! README and the documentation name exists.
//!
//! `tests/golden` holds each text as it was reviewed. After a wanted change: `UPDATE_GOLDEN=1 cargo
//! test --test help`.

// The golden files are of the default build.
#![cfg(feature = "webhooks")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the golden file, and the command whose `--help` it holds.
const COMMANDS: &[(&str, &[&str])] = &[
    ("process-wrapper", &[]),
    ("run", &["run"]),
    ("status", &["status"]),
    ("shutdown", &["shutdown"]),
    ("wait", &["wait"]),
    ("events", &["events"]),
    ("probe", &["probe"]),
    ("wrapper", &["wrapper"]),
    ("webhooks", &["webhooks"]),
    ("version", &["version"]),
    ("completions", &["completions"]),
    ("man", &["man"]),
];

/// The widest line of a help text; an example is one line to copy.
const COLUMNS: usize = 80;
const EXAMPLE_COLUMNS: usize = 100;

fn help(command: &[&str]) -> String {
    text(command, "--help")
}

fn text(command: &[&str], option: &str) -> String {
    let output = Command::new(support::binary())
        .args(command)
        .arg(option)
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_help_text_is_as_it_was_reviewed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, command) in COMMANDS {
        let file = root().join("tests/golden").join(format!("{name}.txt"));
        let text = format!("{}\n{}", text(command, "-h"), help(command));
        if update {
            std::fs::write(&file, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text == golden,
            "the help of {name:?} differs from {}.\nIf that is wanted: UPDATE_GOLDEN=1 cargo test \
             --test help, and look at the difference before you commit it.\n\n{}",
            file.display(),
            difference(&golden, &text)
        );
    }
}

/// The lines that only one of the texts has.
fn difference(golden: &str, text: &str) -> String {
    let (before, now): (BTreeSet<_>, BTreeSet<_>) =
        (golden.lines().collect(), text.lines().collect());
    let gone = golden
        .lines()
        .filter(|line| !now.contains(line))
        .map(|line| format!("- {line}"));
    let new = text
        .lines()
        .filter(|line| !before.contains(line))
        .map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_has_a_golden_file_and_is_listed() {
    let listed = help(&[]);
    let commands = listed.split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let names: BTreeSet<&str> = commands
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  ")
                .filter(|rest| !rest.starts_with(' '))
        })
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let known: BTreeSet<&str> = COMMANDS
        .iter()
        .flat_map(|(_, command)| command.first().copied())
        // A command that argh has by itself.
        .chain(["help"])
        .collect();
    assert_eq!(names, known);
}

#[test]
fn every_help_text_fits_its_columns_and_has_an_example() {
    for (name, command) in COMMANDS {
        let full = help(command);
        for line in full.lines().chain(text(command, "-h").lines()) {
            let columns = if line.starts_with("  process-wrapper ") {
                EXAMPLE_COLUMNS
            } else {
                COLUMNS
            };
            assert!(line.chars().count() <= columns, "{name}: too wide: {line}");
        }
        assert!(full.contains("Examples:\n"), "{name}: no example");
        let about = ["process-wrapper", "completions", "man"].contains(name);
        assert!(about || !described(&full).is_empty(), "{name}: no options");
    }
}

#[test]
fn options_that_take_a_value_say_their_default_or_that_they_repeat() {
    for (name, command) in COMMANDS {
        for (option, text) in described(&help(command)) {
            let says = text.contains("default: ") || text.contains("repeatable");
            assert!(
                says || !takes_a_value(command, &option),
                "{name} {option}: say `(default: …)` or `repeatable` in {text:?}"
            );
        }
    }
}

/// A switch leaves the word behind it to be complained about; nothing is ever started.
fn takes_a_value(command: &[&str], option: &str) -> bool {
    let output = Command::new(support::binary())
        .args(command)
        .args([option, "--no-such-first", "--no-such-second"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{option}: {output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    !complaint.contains("unrecognized option --no-such-first")
}

/// Each option of a long help text with its description on one line.
fn described(help: &str) -> Vec<(String, String)> {
    let options = help.split("\nHelp:\n").next().unwrap();
    let mut described: Vec<(String, String)> = Vec::new();
    for line in options.lines() {
        if let Some(rest) = line.strip_prefix("  -") {
            let words = rest.split_whitespace();
            let name = words
                .map(|word| word.trim_start_matches('-'))
                .find(|word| word.len() > 2);
            described.push((format!("--{}", name.unwrap()), String::new()));
        } else if let Some(words) = line.strip_prefix("          ") {
            // Without an option before it, it describes a command.
            if let Some((_, text)) = described.last_mut() {
                text.push_str(words);
                text.push(' ');
            }
        }
    }
    described
}

/// Options of cargo and other programs that the documentation tells how to use.
const FOREIGN: &[&str] = &[
    "--all-runners",
    "--arch",
    "--backend",
    "--backend-read-timeout",
    "--cheap",
    "--config",
    "--debug",
    "--features",
    "--fork",
    "--frontend",
    "--install",
    "--kill-child",
    "--list",
    "--locked",
    "--mount-proc",
    "--no-default-features",
    "--nocapture",
    "--now",
    "--only",
    "--out",
    "--path",
    "--post-renderer",
    "--pid",
    "--quick",
    "--release",
    "--rewrite",
    "--sign-key",
    "--single-child",
    "--stop-timeout",
    "--target",
    "--test",
    "--write",
    "--time",
    "--user",
    "--working-directory",
];

#[test]
fn the_documentation_names_no_option_that_does_not_exist() {
    let mut known: BTreeSet<String> = COMMANDS
        .iter()
        .flat_map(|(_, command)| described(&help(command)))
        .map(|(option, _)| option)
        .collect();
    known.extend(["--help", "--version"].map(str::to_owned));
    known.extend(FOREIGN.iter().map(|option| (*option).to_owned()));
    for file in documents() {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for option in options_in(line) {
                assert!(
                    known.contains(&option),
                    "{}:{}: no command has the option {option} (if it is another program's, add \
                     it to FOREIGN): {line}",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}

/// README and every page beside or below it that users read.
fn documents() -> Vec<PathBuf> {
    let mut files = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files
}

/// The words of a line that are long options, without what follows `=`.
fn options_in(line: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("--") {
        let starts_a_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-');
        let name: String = rest[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        rest = &rest[at + 2 + name.len()..];
        if starts_a_word && name.starts_with(|c: char| c.is_ascii_lowercase()) {
            options.push(format!("--{name}"));
        }
    }
    options
}

#[test]
fn options_are_found_in_prose_and_in_code() {
    let line = "`--listen=x`, a--b, -- --, |---|---|, (--kill-after 3s); --wait.";
    assert_eq!(options_in(line), ["--listen", "--kill-after", "--wait"]);
}
