//! Options from environment variables, as containers set them.
//!
//! Owns the names of the variables and the words that they stand for. It never reads the
//! environment: the variables are an argument. An option of the command line wins.

use std::ffi::{OsStr, OsString};

use super::suggestions::nearest;
use super::table::{CLIENT_PREFIX, Flag, PROGRAM, Table, metavar, repeats};
use super::words::{Word, words};

/// What the names of all variables begin with.
pub(in crate::cli) const PREFIX: &str = "PROCESS_WRAPPER_";

/// Variables of a command that `--after-exit` runs, of this project's tests and build, and of no
/// option.
const OTHERS: &[&str] = &[
    "ADDRESS",
    "OUTCOME",
    "SIGNALS",
    "EXIT_CODE",
    "EXIT_SIGNAL",
    "REQUESTED",
    "STARTED_AT",
    "SHUTDOWN_REQUESTED_AT",
    "EXITED_AT",
    "ADVISORIES",
    "COMMIT",
    "MUSL_BINARY",
    "REQUIRE_PEERS",
    "STATIC_BINARY",
    "SWEEP",
    "TOOLS",
    "WALK_ALL",
];

/// Why a variable is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum InvalidVariable {
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    #[error("{name} is {value:?}; write true or false")]
    NotSwitch { name: String, value: String },
}

/// What the variables add to a command line.
#[derive(Debug, Default)]
pub(in crate::cli) struct Additions {
    /// Options with their values, to follow the words of the command line.
    pub(in crate::cli) words: Vec<String>,
    pub(in crate::cli) sources: Sources,
}

/// The option of each variable that was taken, and its name.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Sources(Vec<(&'static str, String)>);

impl Sources {
    /// An error, with the variables of the options that it names.
    pub(in crate::cli) fn explain(&self, mut text: String) -> String {
        for (option, variable) in &self.0 {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            if words.any(|word| word == *option) {
                text.push_str(&format!("; {option} comes from {variable}"));
            }
        }
        text
    }
}

/// The options that the variables give to a command, without those that its own words have.
///
/// # Errors
/// See [`InvalidVariable`].
pub(in crate::cli) fn additions(
    table: &Table,
    own: &[String],
    variables: &[(String, OsString)],
) -> Result<Additions, InvalidVariable> {
    let given: Vec<&str> = words(table, own)
        .into_iter()
        .filter_map(|word| match word {
            Word::Known(flag, _) => Some(flag.long),
            Word::Unknown(_) | Word::Argument(_) => None,
        })
        .collect();
    let mut additions = Additions::default();
    // A setting for one command must not make another one an error.
    let wait = table.option("--wait");
    let waits = given.contains(&"--wait")
        || wait.is_none_or(|flag| {
            let name = table.variable(flag);
            let mut all = variables.iter();
            all.any(|(known, value)| {
                Some(known) == name.as_ref()
                    && ["true", "1"].map(OsStr::new).contains(&value.as_os_str())
            })
        });
    let useless = |long: &str| match long {
        "--timeout" | "--propagate-exit" => !waits,
        "--webhook" => table.name() == "shutdown" && given.contains(&"--webhook-file"),
        "--webhook-file" => table.name() == "shutdown" && given.contains(&"--webhook"),
        _ => false,
    };
    let free = |flag: &&Flag| !given.contains(&flag.long) && !useless(flag.long);
    for flag in table.options().filter(free) {
        let Some(name) = table.variable(flag) else {
            continue;
        };
        let Some((_, value)) = variables.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let Some(value) = value.to_str() else {
            return Err(InvalidVariable::NotUtf8(name));
        };
        if add(flag, &name, value, &mut additions.words)? {
            additions.sources.0.push((flag.long, name));
        }
    }
    Ok(additions)
}

/// Appends an option; whether the variable holds one. An empty variable holds none.
fn add(
    flag: &Flag,
    name: &str,
    value: &str,
    words: &mut Vec<String>,
) -> Result<bool, InvalidVariable> {
    let before = words.len();
    if metavar(flag).is_none() {
        match value {
            "true" | "1" => words.push(flag.long.to_owned()),
            "false" | "0" | "" => {}
            _ => {
                return Err(InvalidVariable::NotSwitch {
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
    } else if repeats(flag) {
        for line in value.lines().filter(|line| !line.is_empty()) {
            words.extend([flag.long.to_owned(), line.to_owned()]);
        }
    } else if !value.is_empty() {
        words.extend([flag.long.to_owned(), value.to_owned()]);
    }
    Ok(words.len() > before)
}

/// A sentence for each variable that no command reads. The client commands report only the
/// variables that are meant for them.
pub(in crate::cli) fn unknown(table: &Table, variables: &[(String, OsString)]) -> Vec<String> {
    let commands = Table::commands();
    let names = |one: &Table| -> Vec<String> {
        one.options()
            .filter_map(|flag| one.variable(flag))
            .collect()
    };
    let known: Vec<String> = commands.iter().flat_map(names).collect();
    let own = names(table);
    let client = own
        .iter()
        .any(|name| name.starts_with("PROCESS_WRAPPER_CLIENT_"));
    let mut sentences = Vec::new();
    for (name, _) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let ours = own.contains(name) || OTHERS.contains(&rest) || is_service_link(rest);
        let elsewhere = rest.starts_with("CLIENT_") != client;
        // `kubectl exec` gives a client command the variables of `run`.
        let slip = client && known.contains(&format!("{CLIENT_PREFIX}{rest}"));
        if ours || (elsewhere && !slip && client) || (elsewhere && known.contains(name)) {
            continue;
        }
        // The client commands share their variables.
        if client && known.contains(name) {
            continue;
        }
        if let Some(owner) = commands.iter().find(|one| names(one).contains(name)) {
            let (owner, command) = (owner.name(), table.name());
            sentences.push(format!(
                "{name} is a variable of `{owner}`; `{command}` ignores it"
            ));
            continue;
        }
        let of_clients = format!("{CLIENT_PREFIX}{rest}");
        if known.contains(&of_clients) {
            sentences.push(format!(
                "{name} is no variable of {PROGRAM}; {of_clients} is"
            ));
            continue;
        }
        sentences.push(match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("{name} is no variable of {PROGRAM}; {near} is"),
            None => format!("{name} is no variable of {PROGRAM}; see {PROGRAM} help run"),
        });
    }
    sentences
}

/// Whether Kubernetes sets the variable for a Service whose name begins like the prefix.
fn is_service_link(rest: &str) -> bool {
    rest.ends_with("PORT") || rest.ends_with("SERVICE_HOST") || {
        let mut parts = rest.split('_');
        parts.any(|part| part == "PORT") || rest.contains("SERVICE_PORT_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, OsString)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect()
    }

    fn words_of(command: &str, line: &str, pairs: &[(&str, &str)]) -> String {
        let table = Table::command(command).unwrap();
        additions(&table, &own(line), &variables(pairs))
            .unwrap()
            .words
            .join(" ")
    }

    #[test]
    fn each_kind_of_option_has_a_variable_form() {
        let all = [
            ("PROCESS_WRAPPER_FORCE_AFTER", "1h"),
            ("PROCESS_WRAPPER_LISTEN", "unix:/a\n\nread=unix:/b\n"),
            ("PROCESS_WRAPPER_INSECURE", "true"),
            ("PROCESS_WRAPPER_TOKEN_TCP_ONLY", "false"),
            ("PROCESS_WRAPPER_KILL_AFTER", ""),
            ("PROCESS_WRAPPER_CLIENT_WAIT", "true"),
        ];
        assert_eq!(
            words_of("run", "", &all),
            "--force-after 1h --listen unix:/a --listen read=unix:/b --insecure"
        );
        assert_eq!(words_of("shutdown", "", &all), "--wait");
        assert_eq!(words_of("man", "", &all), "");
    }

    #[test]
    fn the_command_line_wins_and_values_are_not_options() {
        let all = [("PROCESS_WRAPPER_FORCE_AFTER", "1h")];
        assert_eq!(words_of("run", "--force-after 2h", &all), "");
        let value = "--after-exit --force-after";
        assert_eq!(words_of("run", value, &all), "--force-after 1h");
    }

    #[test]
    fn clients_share_the_address_and_take_several() {
        let all = [("PROCESS_WRAPPER_ADDRESS", "unix:/a\nunix:/b")];
        let words = "--address unix:/a --address unix:/b";
        assert_eq!(words_of("status", "", &all), words);
        assert_eq!(words_of("run", "", &all), "");
    }

    #[test]
    fn a_setting_without_an_effect_on_this_call_is_left_out() {
        let all = [
            ("PROCESS_WRAPPER_CLIENT_TIMEOUT", "1m"),
            ("PROCESS_WRAPPER_CLIENT_PROPAGATE_EXIT", "true"),
            ("PROCESS_WRAPPER_CLIENT_WEBHOOK", "https://a/"),
        ];
        assert_eq!(words_of("shutdown", "", &all), "--webhook https://a/");
        let file = "--webhook-file /f --wait";
        let words = "--timeout 1m --propagate-exit";
        assert_eq!(words_of("shutdown", file, &all), words);
        assert_eq!(words_of("wait", "", &all), words);
        assert_eq!(words_of("probe", "", &all), "--timeout 1m");
        let waits = [all[0], ("PROCESS_WRAPPER_CLIENT_WAIT", "1")];
        assert_eq!(words_of("shutdown", "", &waits), "--wait --timeout 1m");
    }

    #[test]
    fn a_variable_that_only_run_reads_is_told_by_wrapper() {
        let wrapper = Table::command("wrapper").unwrap();
        let all = variables(&[
            ("PROCESS_WRAPPER_TOKEN_FILE", "/t"),
            ("PROCESS_WRAPPER_LOG_LEVEL", "debug"),
            ("PROCESS_WRAPPER_CLIENT_WAIT", "true"),
        ]);
        let sentences = unknown(&wrapper, &all);
        assert_eq!(
            sentences,
            ["PROCESS_WRAPPER_TOKEN_FILE is a variable of `run`; `wrapper` ignores it"]
        );
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let table = Table::command("run").unwrap();
        let all = variables(&[("PROCESS_WRAPPER_INSECURE", "maybe")]);
        let error = additions(&table, &[], &all).unwrap_err().to_string();
        assert_eq!(
            error,
            "PROCESS_WRAPPER_INSECURE is \"maybe\"; write true or false"
        );
    }

    #[test]
    fn unknown_variables_are_told_from_service_links() {
        let run = Table::command("run").unwrap();
        let status = Table::command("status").unwrap();
        let all = variables(&[
            ("PROCESS_WRAPPER_FORCE_AFTR", "1h"),
            ("PROCESS_WRAPPER_PORT", "tcp://10.0.0.1:7777"),
            ("PROCESS_WRAPPER_PORT_7777_TCP_ADDR", "10.0.0.1"),
            ("PROCESS_WRAPPER_SERVICE_HOST", "10.0.0.1"),
            ("PROCESS_WRAPPER_SERVICE_PORT_GRPC", "7777"),
            ("PROCESS_WRAPPER_OUTCOME", "drained"),
            ("PROCESS_WRAPPER_ADDRESS", "unix:/a"),
            ("PROCESS_WRAPPER_CLIENT_TOKN_FILE", "/t"),
        ]);
        let sentences = unknown(&run, &all);
        assert_eq!(sentences.len(), 2, "{sentences:?}");
        assert!(sentences[0].ends_with("PROCESS_WRAPPER_FORCE_AFTER is"));
        let sentences = unknown(&status, &all);
        assert_eq!(sentences.len(), 1, "{sentences:?}");
        assert!(sentences[0].ends_with("PROCESS_WRAPPER_CLIENT_TOKEN_FILE is"));
    }
}
