//! Every command with its options, as argh's definitions describe them.
//!
//! Owns the view that help, man pages, completions and environment variables share. It never parses
//! a value: a new option is one field of a command's struct.

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use super::Arguments;

/// The name of the binary.
pub(in crate::cli) const PROGRAM: &str = "process-wrapper";

/// What argh's definitions do not hold about a command.
struct Layout {
    command: &'static str,
    /// Follows the name of the command.
    usage: &'static str,
    /// The title of each group, and its first option. A group ends where the next one begins.
    groups: &'static [(&'static str, &'static str)],
    /// What the names of its environment variables begin with; `None`: it reads none.
    prefix: Option<&'static str>,
}

const RUN_PREFIX: &str = "PROCESS_WRAPPER_";
pub(super) const CLIENT_PREFIX: &str = "PROCESS_WRAPPER_CLIENT_";

const CLIENT_GROUPS: &[(&str, &str)] = &[
    ("Options", "--address"),
    ("Connection", "--connect-timeout"),
    ("Output", "--output"),
];

const LAYOUTS: &[Layout] = &[
    Layout {
        command: "run",
        usage: "[OPTIONS] [-- COMMAND [ARGUMENTS...]]",
        groups: &[
            ("Drain", "--graceful-signal"),
            ("Process", "--rewrite-signal"),
            ("Listeners and access", "--listen"),
            ("TLS", "--tls-cert"),
            ("Webhooks", "--webhook"),
            ("Monitoring", "--http-listen"),
            ("Logging", "--log-format"),
        ],
        prefix: Some(RUN_PREFIX),
    },
    Layout {
        command: "wrapper",
        usage: "[OPTIONS] [-- ARGS...]",
        groups: &[],
        prefix: Some(RUN_PREFIX),
    },
    Layout {
        command: "status",
        usage: "[OPTIONS]",
        groups: CLIENT_GROUPS,
        prefix: Some(CLIENT_PREFIX),
    },
    Layout {
        command: "shutdown",
        usage: "[OPTIONS]",
        groups: CLIENT_GROUPS,
        prefix: Some(CLIENT_PREFIX),
    },
    Layout {
        command: "wait",
        usage: "[OPTIONS]",
        groups: CLIENT_GROUPS,
        prefix: Some(CLIENT_PREFIX),
    },
    Layout {
        command: "events",
        usage: "[OPTIONS]",
        groups: CLIENT_GROUPS,
        prefix: Some(CLIENT_PREFIX),
    },
    Layout {
        command: "probe",
        usage: "[OPTIONS]",
        groups: CLIENT_GROUPS,
        prefix: Some(CLIENT_PREFIX),
    },
    #[cfg(feature = "webhooks")]
    Layout {
        command: "webhooks",
        usage: "list|retry|drop [ID] --state-dir DIR [OPTIONS]",
        groups: &[],
        prefix: None,
    },
    Layout {
        command: "completions",
        usage: "bash|zsh|fish",
        groups: &[],
        prefix: None,
    },
    Layout {
        command: "man",
        usage: "[COMMAND]",
        groups: &[],
        prefix: None,
    },
    Layout {
        command: "version",
        usage: "[OPTIONS]",
        groups: &[],
        prefix: None,
    },
];

/// The layout of the program without a command.
const TOP: Layout = Layout {
    command: "",
    usage: "COMMAND [OPTIONS]",
    groups: &[],
    prefix: None,
};

/// One option.
pub(in crate::cli) type Flag = FlagInfo<'static>;

/// A command, or the program itself.
pub(in crate::cli) struct Table {
    layout: &'static Layout,
    pub(in crate::cli) info: CommandInfoWithArgs,
}

impl Table {
    /// The program itself, with its commands.
    pub(in crate::cli) fn top() -> Self {
        Self {
            layout: &TOP,
            info: Arguments::get_args_info(),
        }
    }

    /// Every command, in the order of the help.
    pub(in crate::cli) fn commands() -> Vec<Self> {
        let all = Arguments::get_args_info().commands.into_iter();
        all.filter_map(|known| {
            let layout = LAYOUTS.iter().find(|one| one.command == known.name)?;
            Some(Self {
                layout,
                info: known.command,
            })
        })
        .collect()
    }

    /// The command of this name.
    pub(in crate::cli) fn command(name: &str) -> Option<Self> {
        Self::commands().into_iter().find(|one| one.name() == name)
    }

    /// Empty for the program itself.
    pub(in crate::cli) fn name(&self) -> &'static str {
        self.layout.command
    }

    /// The program, the command, and what follows it.
    pub(in crate::cli) fn usage(&self) -> String {
        let words = [PROGRAM, self.layout.command, self.layout.usage];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }

    /// Every option but `--help`.
    pub(in crate::cli) fn options(&self) -> impl Iterator<Item = &'static Flag> {
        let flags = self.info.flags.iter();
        flags.filter(|flag| flag.long != "--help" && !flag.hidden)
    }

    /// The options by group, each with its title.
    pub(in crate::cli) fn groups(&self) -> Vec<(&'static str, Vec<&'static Flag>)> {
        let mut groups: Vec<(&'static str, Vec<&'static Flag>)> = Vec::new();
        for flag in self.options() {
            let begins = self
                .layout
                .groups
                .iter()
                .find(|(_, first)| *first == flag.long);
            match (begins, groups.last_mut()) {
                (None, Some((_, flags))) => flags.push(flag),
                (begins, _) => {
                    let title = begins.map_or("Options", |(title, _)| title);
                    groups.push((title, vec![flag]));
                }
            }
        }
        groups
    }

    /// The option that a word names: `--output`, or `-o`.
    pub(in crate::cli) fn option(&self, word: &str) -> Option<&'static Flag> {
        self.options().find(|flag| {
            let short = flag.short.map(|letter| format!("-{letter}"));
            flag.long == word || short.as_deref() == Some(word)
        })
    }

    /// The environment variable of an option.
    pub(in crate::cli) fn variable(&self, flag: &Flag) -> Option<String> {
        let prefix = self.layout.prefix?;
        // The one variable of client commands that `run` reads as well.
        let prefix = if flag.long == "--address" {
            RUN_PREFIX
        } else {
            prefix
        };
        let name = flag.long.trim_start_matches('-').replace('-', "_");
        Some(format!("{prefix}{}", name.to_ascii_uppercase()))
    }
}

/// The placeholder of an option's value: capitals, or the choices; `None` for a switch.
pub(in crate::cli) fn metavar(flag: &Flag) -> Option<String> {
    match &flag.kind {
        FlagInfoKind::Switch => None,
        FlagInfoKind::Option { arg_name } if arg_name.contains('|') => Some((*arg_name).to_owned()),
        FlagInfoKind::Option { arg_name } => Some(arg_name.to_ascii_uppercase()),
    }
}

/// The words that an option's value is one of; empty if it is free.
pub(in crate::cli) fn choices(flag: &Flag) -> Vec<&'static str> {
    match &flag.kind {
        FlagInfoKind::Option { arg_name } if arg_name.contains('|') => arg_name
            .split('|')
            .filter(|word| !word.chars().any(char::is_uppercase))
            .collect(),
        FlagInfoKind::Option { .. } | FlagInfoKind::Switch => Vec::new(),
    }
}

/// Whether an option may be given more than once.
pub(in crate::cli) fn repeats(flag: &Flag) -> bool {
    flag.optionality == Optionality::Repeating
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_command_has_a_layout_and_each_group_its_first_option() {
        let listed = Arguments::get_args_info().commands.len();
        assert_eq!(Table::commands().len(), listed);
        assert_eq!(LAYOUTS.len(), listed);
        for table in Table::commands() {
            for (title, first) in table.layout.groups {
                let exists = table.options().any(|flag| flag.long == *first);
                let optional = cfg!(not(feature = "webhooks")) && *title == "Webhooks";
                assert!(exists || optional, "{}: {first}", table.name());
            }
        }
    }

    #[test]
    fn no_variable_has_two_meanings() {
        let mut client = BTreeSet::new();
        let mut wrapper = BTreeSet::new();
        for table in Table::commands() {
            let names = table.options().filter_map(|flag| table.variable(flag));
            match table.layout.prefix {
                Some(RUN_PREFIX) => wrapper.extend(names),
                Some(_) => client.extend(names),
                None => assert_eq!(names.count(), 0),
            }
        }
        assert!(wrapper.contains("PROCESS_WRAPPER_FORCE_AFTER"));
        assert!(client.contains("PROCESS_WRAPPER_CLIENT_TOKEN_FILE"));
        assert_eq!(wrapper.intersection(&client).count(), 0);
    }
}
