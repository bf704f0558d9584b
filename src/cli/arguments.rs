//! The raw arguments: splits them at the first `--`, and `--option=value` into two words.
//!
//! Owns the steps before argh. It never reads the arguments after the first `--`.

use std::ffi::OsString;

/// The arguments of the wrapper, and those of the wrapped process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// Before the first `--`: for the wrapper.
    pub(super) own: Vec<String>,
    /// After the first `--`: the command, unchanged. `None` without a `--`.
    pub(super) command: Option<Vec<OsString>>,
}

/// Why the arguments cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidArguments {
    #[error(
        "the argument {0:?} is not UTF-8; write the arguments of the wrapped command after `--`"
    )]
    NotUtf8(OsString),
}

/// Splits the arguments, without the program's own name.
pub(super) fn split(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Split, InvalidArguments> {
    let mut arguments = arguments.into_iter();
    let mut own = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            let command = Some(arguments.collect());
            return Ok(Split { own, command });
        }
        let text = argument.into_string().map_err(InvalidArguments::NotUtf8)?;
        // argh only parses `--option value`. Option names have no `=`: the first one ends the name.
        match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                own.push(name.to_owned());
                own.push(value.to_owned());
            }
            Some(_) | None => own.push(text),
        }
    }
    Ok(Split { own, command: None })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn arguments_after_the_first_double_dash_are_unchanged() {
        let mut arguments = words("run --listen=unix:/a=b -- sh -- --x=y");
        arguments.push(OsString::from_vec(vec![0xff, 0xfe]));
        let split = split(arguments).unwrap();
        assert_eq!(split.own, ["run", "--listen", "unix:/a=b"]);
        let mut command = words("sh -- --x=y");
        command.push(OsString::from_vec(vec![0xff, 0xfe]));
        assert_eq!(split.command, Some(command));
    }

    #[test]
    fn a_missing_command_differs_from_an_empty_one() {
        assert_eq!(split(words("run")).unwrap().command, None);
        assert_eq!(split(words("run --")).unwrap().command, Some(vec![]));
    }

    #[test]
    fn arguments_before_the_double_dash_must_be_utf8() {
        assert!(split([OsString::from_vec(vec![b'-', 0xff])]).is_err());
    }
}
