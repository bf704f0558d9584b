//! The words of a command line, told apart by a command's options.
//!
//! Owns what is an option, its value or an argument. It never parses a value.

use super::table::{Flag, Table, metavar};

/// One word; the value of an option is none of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    /// An option with its value, if it takes one and has it.
    Known(&'static Flag, Option<&'a str>),
    /// It looks like an option, and the command has none of this name.
    Unknown(&'a str),
    Argument(&'a str),
}

/// Tells the words of a command apart.
pub(super) fn words<'a>(table: &Table, own: &'a [String]) -> Vec<Word<'a>> {
    let mut words = Vec::new();
    let mut rest = own.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        words.push(match table.option(word) {
            Some(flag) => Word::Known(flag, metavar(flag).and_then(|_| rest.next())),
            None if word.len() > 1 && word.starts_with('-') => Word::Unknown(word),
            None => Word::Argument(word),
        });
    }
    words
}
