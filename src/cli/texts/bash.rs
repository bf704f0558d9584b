//! The completion script for bash(1).
//!
//! Owns its text. Which words exist comes from the table.

use std::fmt::Write;

use super::super::options::{PROGRAM, Table, choices, metavar};
use super::is_file;

/// The script.
pub(super) fn script() -> String {
    let commands: Vec<_> = Table::commands();
    let names: Vec<_> = commands.iter().map(Table::name).collect();
    let mut options = String::new();
    let mut values = String::new();
    for table in &commands {
        let name = table.name();
        let words: Vec<_> = table.options().map(|flag| flag.long).collect();
        let extra = match name {
            "completions" => "bash zsh fish".to_owned(),
            "man" => names.join(" "),
            "webhooks" => format!("list retry drop {}", words.join(" ")),
            _ => words.join(" "),
        };
        let _ = writeln!(options, "        {name}) words='{extra} --help' ;;");
        for flag in table.options() {
            let Some(metavar) = metavar(flag) else {
                continue;
            };
            let short = flag.short.map(|letter| format!("|{name}:-{letter}"));
            let key = format!("{name}:{}{}", flag.long, short.unwrap_or_default());
            let action = match choices(flag) {
                _ if is_file(&metavar) => "kind=file".to_owned(),
                words if words.is_empty() => "kind=none".to_owned(),
                words => format!("words='{}'", words.join(" ")),
            };
            let _ = writeln!(values, "        {key}) {action} ;;");
        }
    }
    let names = names.join(" ");
    format!(
        "# bash completion for {PROGRAM}

_process_wrapper() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local command=${{COMP_WORDS[1]}} words= kind= i
    # bash takes --option=value for three words.
    if [[ $current == '=' ]]; then
        current=
    elif [[ $previous == '=' ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [[ ${{COMP_WORDS[i]}} == '--' ]]; then
            # The wrapped command.
            if ((i == COMP_CWORD - 1)); then
                mapfile -t COMPREPLY < <(compgen -c -- \"$current\")
            else
                mapfile -t COMPREPLY < <(compgen -f -- \"$current\")
            fi
            return
        fi
    done
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W '{names} help --help --version' -- \"$current\")
        return
    fi
    case $command in
        help) words='{names}' ;;
{options}    esac
    case $command:$previous in
{values}    esac
    case $kind in
        file) mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;
        none) COMPREPLY=() ;;
        *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\") ;;
    esac
}}
complete -o bashdefault -F _process_wrapper {PROGRAM}
"
    )
}
