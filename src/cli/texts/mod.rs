//! What the program prints about itself: help, manual pages, completions, version.
//!
//! Owns these texts, made from the table of options. It never reads the system.

mod bash;
mod fish;
mod help;
mod manual;
mod version;
mod zsh;

use help::Length;

use super::options::{About, Output, PROGRAM, Shell};

/// The text that the arguments asked for.
pub(super) fn text(about: &About) -> String {
    match about {
        About::ShortHelp(table) => help::help(table, Length::Short),
        About::Help(table) => help::help(table, Length::Long),
        About::Manual(table) => manual::manual(table),
        About::Completions(Shell::Bash) => bash::script(),
        About::Completions(Shell::Zsh) => zsh::script(),
        About::Completions(Shell::Fish) => fish::script(),
        About::ShortVersion => version::short(),
        About::Version(Output::Text) => version::long(),
        About::Version(Output::Json) => version::json(),
    }
}

/// The first clause of an option's description, without its default.
fn first_clause(description: &str) -> &str {
    let ends = [": ", "; ", ". ", " (default"];
    let end = ends.iter().filter_map(|end| description.find(end)).min();
    &description[..end.unwrap_or(description.len())]
}

/// Whether an option's value is a file, by its placeholder.
fn is_file(metavar: &str) -> bool {
    metavar == "FILE"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Table;

    #[test]
    fn a_first_clause_ends_at_punctuation() {
        assert_eq!(
            first_clause("signal of the abort; none: only KILL (default: TERM)"),
            "signal of the abort"
        );
        assert_eq!(
            first_clause("how long to wait (default: 5s)"),
            "how long to wait"
        );
        assert_eq!(first_clause("print it"), "print it");
    }

    /// The scripts and pages quote descriptions in ways that such letters would end.
    #[test]
    fn descriptions_have_no_control_letters() {
        for table in Table::commands() {
            for flag in table.options() {
                let plain = !flag.description.contains(['\n', '\\', '"']);
                assert!(plain, "{} {}", table.name(), flag.long);
            }
        }
    }
}
