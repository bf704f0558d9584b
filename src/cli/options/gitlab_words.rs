//! The words of GitLab Runner's command line, translated for the command `wrapper`.
//!
//! Owns the forms that only GitLab's parser takes: options with one dash, its global options before
//! the command, and its names of levels and formats. It never reads the runner's arguments.

use super::table::{PROGRAM, Table, metavar};

/// The name of the command.
pub(super) const NAME: &str = "wrapper";

/// GitLab's options, which Go's flag package also accepts with a single dash.
const WITH_ONE_DASH: [&str; 2] = ["-grpc-listen", "-process-termination-timeout"];

/// Our name for GitLab's name of a level; its severest two are errors here.
pub(super) fn level_name(name: &str) -> &str {
    match name {
        "warning" => "warn",
        "fatal" | "panic" => "error",
        name => name,
    }
}

/// Our name for GitLab's name of a log format. Its own is text.
pub(super) fn format_name(name: &str) -> &str {
    match name {
        "runner" => "text",
        name => name,
    }
}

/// Translates a command line that is one of `wrapper`; any other stays as it is.
pub(super) fn translate(own: Vec<String>) -> Vec<String> {
    let Some((globals, rest)) = split_globals(&own) else {
        return own;
    };
    let mut words = vec![NAME.to_owned()];
    words.extend(globals);
    let mut words_left = rest.iter();
    while let Some(word) = words_left.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        if WITH_ONE_DASH.contains(&name) {
            words.push(format!("-{name}"));
            words.extend(value.map(str::to_owned));
            continue;
        }
        words.push(word.clone());
        let translated: fn(&str) -> &str = match &**word {
            "--log-level" => level_name,
            "--log-format" => format_name,
            _ => continue,
        };
        words.extend(words_left.next().map(|value| translated(value).to_owned()));
    }
    words
}

/// The global options before `wrapper`, as options of it, and the words after it. `None` if another
/// command or option comes first.
fn split_globals(own: &[String]) -> Option<(Vec<String>, &[String])> {
    let (mut level, mut format, mut debug) = (None, None, false);
    let mut at = 0;
    loop {
        let word = own.get(at)?;
        let (name, inside) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        let wanted = match name {
            NAME => break,
            "--debug" | "-debug" => {
                debug = true;
                at += 1;
                continue;
            }
            "--log-level" | "-log-level" | "--l" | "-l" => &mut level,
            "--log-format" | "-log-format" => &mut format,
            _ => return None,
        };
        let value = inside.or_else(|| own.get(at + 1).map(String::as_str))?;
        *wanted = Some(value);
        at += if inside.is_some() { 1 } else { 2 };
    }
    let level = if debug { Some("debug") } else { level };
    let level = level.map(|name| ["--log-level", level_name(name)]);
    let format = format.map(|name| ["--log-format", format_name(name)]);
    let globals = level.into_iter().chain(format).flatten();
    let globals = globals.map(str::to_owned).collect();
    Some((globals, own.get(at + 1..).unwrap_or_default()))
}

/// What to type, after an error about a word that was meant for the runner. `rest` follows the name
/// of the command, and is translated.
pub(super) fn advice(table: &Table, rest: &[String], has_command: bool) -> String {
    let text = "; write the arguments of gitlab-runner after `--`";
    if has_command {
        return text.to_owned();
    }
    format!("{text}: {}", with_dashes(table, rest))
}

/// The command line with `--` before the runner's arguments, for a shell.
fn with_dashes(table: &Table, rest: &[String]) -> String {
    let mut at = 0;
    while let Some(flag) = rest.get(at).and_then(|word| table.option(word)) {
        at += if metavar(flag).is_some() { 2 } else { 1 };
    }
    let (options, runner) = rest.split_at(at.min(rest.len()));
    let words = options.iter().map(String::as_str).chain(["--"]);
    let words = words.chain(runner.iter().map(String::as_str));
    let words: Vec<_> = words.map(quoted).collect();
    format!("{PROGRAM} {NAME} {}", words.join(" "))
}

/// The word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,[]".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn forms_of_gitlabs_parser_become_ours() {
        for (theirs, ours) in [
            ("wrapper run", "wrapper run"),
            (
                "wrapper -grpc-listen=unix:a=b",
                "wrapper --grpc-listen unix:a=b",
            ),
            (
                "--log-level debug wrapper run",
                "wrapper --log-level debug run",
            ),
            ("-log-level=info wrapper", "wrapper --log-level info"),
            ("-l warning wrapper", "wrapper --log-level warn"),
            ("-l=fatal wrapper", "wrapper --log-level error"),
            (
                "--debug wrapper --strict",
                "wrapper --log-level debug --strict",
            ),
            ("-l error -debug wrapper", "wrapper --log-level debug"),
            (
                "--log-format json --log-level warn wrapper",
                "wrapper --log-level warn --log-format json",
            ),
            ("--log-format runner wrapper", "wrapper --log-format text"),
            ("wrapper --log-level warning", "wrapper --log-level warn"),
            // Other command lines are ours.
            ("--log-level debug run", "--log-level debug run"),
            ("run --log-level warning", "run --log-level warning"),
            ("--debug", "--debug"),
            ("--log-level wrapper", "--log-level wrapper"),
            ("", ""),
        ] {
            assert_eq!(translate(words(theirs)), words(ours), "{theirs}");
        }
    }

    #[test]
    fn the_dashes_stand_before_the_first_word_of_the_runner() {
        let table = Table::command(NAME).unwrap();
        for (line, expected) in [
            ("wrapper run --config x", "wrapper -- run --config x"),
            (
                "wrapper --strict --grpc-listen unix:/a run --config x",
                "wrapper --strict --grpc-listen unix:/a -- run --config x",
            ),
            ("wrapper --config x", "wrapper -- --config x"),
            ("wrapper --grpc-listen", "wrapper --grpc-listen --"),
        ] {
            let line = with_dashes(&table, &words(line)[1..]);
            assert_eq!(line, format!("process-wrapper {expected}"));
        }
        let odd = ["run", "--config", "a b'c", ""].map(str::to_owned);
        let line = with_dashes(&table, &odd);
        assert_eq!(
            line,
            r"process-wrapper wrapper -- run --config 'a b'\''c' ''"
        );
    }
}
