//! The completion script for zsh(1).
//!
//! Owns its text. Which words exist comes from the table.

use std::fmt::Write;

use super::super::options::{Flag, PROGRAM, Table, choices, metavar, repeats};
use super::{first_clause, is_file};

/// The script.
pub(super) fn script() -> String {
    let commands = Table::commands();
    let mut listed = String::new();
    let mut cases = String::new();
    for table in &commands {
        let name = table.name();
        let _ = writeln!(
            listed,
            "        '{name}:{}'",
            quoted(table.info.description)
        );
        let mut arguments = String::new();
        for flag in table.options() {
            for spec in specs(flag) {
                let _ = write!(arguments, " \\\n                '{spec}'");
            }
        }
        let rest = match name {
            "completions" => "1:shell:(bash zsh fish)",
            "man" => "1:command:_process_wrapper_commands",
            "webhooks" => "1:action:(list retry drop)",
            _ => "",
        };
        if !rest.is_empty() {
            let _ = write!(arguments, " \\\n                '{rest}'");
        }
        let _ = write!(
            cases,
            "        {name})
            _arguments '(-h --help){{-h,--help}}[show the help]'{arguments}
            ;;
"
        );
    }
    let cases = cases.replace(
        "'(-h --help){-h,--help}[show the help]'",
        "'(- *)'{-h,--help}'[show the help]'",
    );
    format!(
        "#compdef {PROGRAM}

_process_wrapper_commands() {{
    local -a commands
    commands=(
        'help:Show the help of a command.'
{listed}    )
    _describe command commands
}}

_process_wrapper() {{
    if ((CURRENT == 2)); then
        _process_wrapper_commands
        return
    fi
    local command=$words[2] dashes=${{words[(i)--]}}
    if ((dashes < CURRENT)); then
        # The wrapped command.
        shift dashes words
        ((CURRENT -= dashes))
        _normal
        return
    fi
    shift words
    ((CURRENT--))
    case $command in
        help)
            _arguments '1:command:_process_wrapper_commands'
            ;;
{cases}    esac
}}

if [[ $funcstack[1] == _{PROGRAM} ]]; then
    _process_wrapper \"$@\"
else
    compdef _process_wrapper {PROGRAM}
fi
"
    )
}

/// An option as `_arguments` reads it; one form for each of its names.
fn specs(flag: &Flag) -> Vec<String> {
    let star = if repeats(flag) { "*" } else { "" };
    let text = quoted(first_clause(flag.description));
    let value = metavar(flag).map(|metavar| {
        let action = match choices(flag) {
            _ if is_file(&metavar) => "_files".to_owned(),
            words if words.is_empty() => " ".to_owned(),
            words => format!("({})", words.join(" ")),
        };
        format!(":{}:{action}", quoted(&metavar))
    });
    let equals = if value.is_some() { "=" } else { "" };
    let value = value.unwrap_or_default();
    let mut specs = vec![format!("{star}{}{equals}[{text}]{value}", flag.long)];
    specs.extend(flag.short.map(|letter| format!("-{letter}[{text}]{value}")));
    specs
}

/// Text without a meaning inside single quotes, brackets and between colons.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("'\\''"),
            '[' | ']' | ':' => quoted.extend(['\\', letter]),
            letter => quoted.push(letter),
        }
    }
    quoted
}
