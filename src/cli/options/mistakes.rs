//! Answers to words that a command cannot have.
//!
//! Owns what was probably meant by them. It never judges a value: the types of the values do.

use std::ffi::OsString;

use super::suggestions::nearest;
use super::table::{Flag, PROGRAM, Table, metavar, repeats};
use super::words::{Word, words};
use super::{About, Output, ParseRefusal, about, gitlab_words, other_names};
use crate::address::Address;

/// What a line without a command asks for: a text, or an error. `after` follows the first `--`.
pub(super) fn without_command(own: &[String], after: Option<&[OsString]>) -> ParseRefusal {
    let Some((first, rest)) = own.split_first() else {
        let text = match after.and_then(<[_]>::first) {
            Some(program) => {
                let after = after.unwrap_or_default();
                let program = program.to_str().unwrap_or_default();
                let start = start_with(program, false, after.len() > 1);
                format!("the command is missing; {start}")
            }
            None => {
                "the command is missing; name run, wrapper, status, shutdown, wait, events or probe"
                    .to_owned()
            }
        };
        return ParseRefusal::usage("", &text);
    };
    let command = rest.first().map(String::as_str);
    match first.as_str() {
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
                None if ["-v", "-version"].contains(&option) => {
                    format!("unrecognized option {option}; did you mean --version?")
                }
                None => format!("unrecognized option {option}; the command comes first"),
            };
            ParseRefusal::usage("", &text)
        }
        name => unknown_command(name, Some(rest)),
    }
}

/// `arguments` follow the name, if it may be that of a program to start.
pub(super) fn unknown_command(name: &str, arguments: Option<&[String]>) -> ParseRefusal {
    let commands = Table::commands();
    let small = name.to_lowercase();
    let near = nearest(&small, commands.iter().map(Table::name));
    let text = match (near.or_else(|| other_names::command(&small)), arguments) {
        _ if name.is_empty() => "the command is empty; is a variable unset?".to_owned(),
        (Some(near), _) => format!("no command is named {name:?}; did you mean {near}?"),
        (None, Some(arguments)) => format!(
            "no command is named {name:?}; to start a program, {}",
            start_with(name, false, !arguments.is_empty())
        ),
        (None, None) => format!("no command is named {name:?}"),
    };
    ParseRefusal::usage("", &text)
}

/// How to start a program, for a shell. Its arguments are not repeated: they may hold secrets.
fn start_with(program: &str, options: bool, arguments: bool) -> String {
    let ellipsis = |given| if given { " …" } else { "" };
    let (before, after) = (ellipsis(options), ellipsis(arguments));
    // The advice is one line.
    let program = match program.is_empty() || program.chars().any(char::is_control) {
        true => "COMMAND".to_owned(),
        false => gitlab_words::quoted(program),
    };
    format!("write {PROGRAM} run{before} -- {program}{after}")
}

/// Answers a request for help, and refuses words that the command cannot have.
pub(super) fn check_words(
    table: Table,
    rest: &[String],
    has_command: bool,
) -> Result<Table, ParseRefusal> {
    let mut given: Vec<&'static Flag> = Vec::new();
    let all = words(&table, rest);
    for (at, word) in all.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|before| all.get(before));
        let text = match *word {
            Word::Known(_, Some("--help" | "-h")) | Word::Unknown("--help") => {
                return Err(ParseRefusal::from(About::Help(table)));
            }
            Word::Unknown("-h") => {
                return Err(ParseRefusal::from(About::ShortHelp(table)));
            }
            // argh takes the word for a question as well, and has no answer.
            Word::Argument("help") if ["man", "completions"].contains(&table.name()) => {
                return Err(ParseRefusal::from(About::Help(table)));
            }
            Word::Known(flag, value) => match known(&table, flag, value, &given) {
                Some(text) => text,
                None => {
                    given.push(flag);
                    continue;
                }
            },
            Word::Unknown(option) => unknown_option(&table, option),
            Word::Argument(_) if !table.info.positionals.is_empty() => continue,
            Word::Argument(word) => match previous {
                Some(Word::Known(flag, None)) if is_boolean(word) => {
                    format!("{} takes no value; leave out {word:?}", flag.long)
                }
                _ => argument(&table, word, at, all.len(), has_command),
            },
        };
        let advice = match word {
            Word::Unknown(_) | Word::Argument(_) if table.name() == gitlab_words::NAME => {
                gitlab_words::advice(&table, rest, has_command)
            }
            Word::Known(..) | Word::Unknown(_) | Word::Argument(_) => String::new(),
        };
        return Err(ParseRefusal::usage(table.name(), &(text + &advice)));
    }
    Ok(table)
}

/// What is wrong with an option of the command and its value.
fn known(
    table: &Table,
    flag: &'static Flag,
    value: Option<&str>,
    given: &[&'static Flag],
) -> Option<String> {
    let long = flag.long;
    let metavar = metavar(flag)?;
    match value {
        None => Some(format!("{long} has no value; write {long} {metavar}")),
        Some(next) if next.starts_with("--") && table.option(next).is_some() => Some(format!(
            "{long} has no value, {next} follows it; write {long} {metavar}"
        )),
        // The empty name is a service of the health protocol.
        Some("") if long != "--service" => {
            Some(format!("{long} has an empty value; is a variable unset?"))
        }
        Some(_) if !repeats(flag) && given.iter().any(|one| one.long == long) => {
            Some(format!("{long} is given twice; give it once"))
        }
        Some(_) => None,
    }
}

fn unknown_option(table: &Table, option: &str) -> String {
    let text = format!("unrecognized option {option}");
    // `-ojson`, `-o=json`
    let mut letters = option.chars();
    let short: String = letters.by_ref().take(2).collect();
    if !option.starts_with("--") && table.option(&short).is_some() {
        let value = letters.as_str().trim_start_matches('=');
        return format!("{text}; did you mean {short} {value}?");
    }
    let near = nearest(option, table.options().map(|flag| flag.long));
    if let Some(near) = near.or_else(|| other_names::option(table, option)) {
        return format!("{text}; did you mean {near}?");
    }
    if table.name() == "run" && ["-c", "--command", "--config"].contains(&option) {
        return format!("{text}; the command to start follows `--`: {PROGRAM} run -- COMMAND");
    }
    let commands = Table::commands();
    let owners = commands.iter().filter(|one| one.option(option).is_some());
    let owners: Vec<_> = owners.map(Table::name).collect();
    match owners.as_slice() {
        [] => text,
        names => format!("{text}, an option of {}", names.join(", ")),
    }
}

/// Whether the word can only be meant as the value of a switch.
fn is_boolean(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&word.as_str())
}

/// A word that is neither an option nor the value of one.
fn argument(table: &Table, word: &str, at: usize, count: usize, has_command: bool) -> String {
    let text = format!("unrecognized argument {word:?}");
    if let Some(rest) = word.strip_prefix(['—', '–', '−']) {
        let name = format!("--{}", rest.trim_start_matches(['-', '—', '–', '−']));
        return format!("{text}, which begins with a dash instead of hyphens; write {name}");
    }
    if table.name() == "run" && !has_command {
        let start = start_with(word, at > 0, at + 1 < count);
        return format!("{text}; `--` stands before the command: {start}");
    }
    let is_state = ["running", "shutting_down", "gone"].contains(&word);
    let option = if table.option("--until").is_some() && is_state {
        "--until"
    } else if table.option("--address").is_some() && word.parse::<Address>().is_ok() {
        "--address"
    } else {
        return text;
    };
    format!("{text}; write {option} {word}")
}

/// A refusal of argh, which would repeat values.
pub(super) fn of_argh(table: &Table, output: &str, words: &[&str]) -> String {
    if let Some(text) = of_value(output, words) {
        return text;
    }
    if output.starts_with("Required positional arguments not provided") {
        let names = table.info.positionals.iter().map(|one| one.name);
        let names: Vec<_> = names.collect();
        return format!("{} is missing; write {}", names.join(", "), table.usage());
    }
    match output.strip_prefix("Unrecognized argument: ") {
        Some(word) => format!("unrecognized argument {:?}", word.trim_end()),
        None => output.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// `Error parsing option '--force-after' with value 'X': WHY`, with the value once.
fn of_value(output: &str, words: &[&str]) -> Option<String> {
    let rest = output.strip_prefix("Error parsing ")?;
    let (_, rest) = rest.split_once(" '")?;
    let (name, rest) = rest.split_once("' with value '")?;
    // The value may hold anything, also what ends it here.
    let whole = words.iter().filter_map(|word| {
        let why = rest.strip_prefix(word)?.strip_prefix("': ")?;
        Some((*word, why))
    });
    let (value, why) = whole.max_by_key(|(word, _)| word.len())?;
    let why = why.trim_end();
    let value = format!("{value:?}");
    Some(match why.contains(&value) {
        true => format!("{name}: {why}"),
        false => format!("{name} {value}: {why}"),
    })
}
