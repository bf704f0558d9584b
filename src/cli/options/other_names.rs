//! Names of other programs for what a command or an option of ours does.
//!
//! Owns the pairs. It never accepts a foreign name.

use super::table::Table;

const COMMANDS: &[(&str, &str)] = &[
    ("start", "run"),
    ("exec", "run"),
    ("stop", "shutdown"),
    ("drain", "shutdown"),
    ("quit", "shutdown"),
    ("terminate", "shutdown"),
    ("kill", "shutdown"),
    ("state", "status"),
    ("info", "status"),
    ("ps", "status"),
    ("list", "status"),
    ("watch", "events"),
    ("follow", "events"),
    ("monitor", "events"),
    ("health", "probe"),
    ("check", "probe"),
    ("healthcheck", "probe"),
];

/// The first pair whose option a command has counts.
const OPTIONS: &[(&str, &str)] = &[
    ("--listen", "--address"),
    ("--host", "--address"),
    ("--server", "--address"),
    ("--url", "--address"),
    ("--socket", "--address"),
    ("--socket", "--listen"),
    ("--address", "--listen"),
    ("--bind", "--listen"),
    ("--port", "--listen tcp://localhost:PORT"),
    ("--grpc-listen", "--listen"),
    ("--listen", "--grpc-listen"),
    ("--json", "--output json"),
    ("--follow", "--watch"),
    ("-f", "--watch"),
    ("-w", "--watch"),
    ("--no-color", "--color never"),
    ("--format", "--output"),
    ("--timeout", "--force-after"),
    ("--timeout", "--connect-timeout"),
    ("--stop-timeout", "--force-after"),
    ("--grace-period", "--force-after"),
    ("--drain-timeout", "--force-after"),
    ("--force", "--force-after DURATION"),
    ("--signal", "--graceful-signal"),
    ("--stop-signal", "--graceful-signal"),
    ("--rewrite", "--rewrite-signal"),
    ("--token", "--token-file"),
    ("--cert", "--tls-cert"),
    ("--key", "--tls-key"),
    ("--ca", "--tls-ca"),
    ("--cacert", "--tls-ca"),
    ("--verbose", "--log-level debug"),
    ("--debug", "--log-level debug"),
    ("-v", "--log-level debug"),
    ("--quiet", "--log-level warn"),
    ("-q", "--log-level warn"),
];

/// Our name for the command of another program.
pub(super) fn command(name: &str) -> Option<&'static str> {
    let pair = COMMANDS.iter().find(|(other, _)| *other == name)?;
    Some(pair.1)
}

/// Our form of the option of another program, for a command that has it.
pub(super) fn option(table: &Table, name: &str) -> Option<&'static str> {
    let known = |ours: &str| {
        let mut words = ours.split(' ');
        words
            .next()
            .is_some_and(|long| table.option(long).is_some())
    };
    let mut pairs = OPTIONS.iter();
    let pair = pairs.find(|(other, ours)| *other == name && known(ours))?;
    Some(pair.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_leads_to_a_name_of_ours() {
        for (other, ours) in COMMANDS {
            assert!(Table::command(ours).is_some(), "{ours}");
            assert!(Table::command(other).is_none(), "{other}");
        }
        let tables = Table::commands();
        for (other, ours) in OPTIONS {
            let mut with = tables
                .iter()
                .filter(|table| option(table, other) == Some(ours));
            let table = with.next();
            assert!(
                table.is_some_and(|table| table.option(other).is_none()),
                "{other} {ours}"
            );
        }
    }
}
