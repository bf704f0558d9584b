//! The rules, as functions of a path and a text.
//!
//! Owns the verdicts. It reads no file, so that examples can be judged too.

use std::collections::BTreeMap;

use crate::{COLUMNS, PICTURES, SHARED, TWINS, WORDS};

/// Whether the rules hold for a file: corpora, lock files and this test are left out.
pub(crate) fn is_judged(path: &str) -> bool {
    let left_out = ["fuzz/corpus/", "fuzz/dict/", "tests/style/"];
    let lock = ["Cargo.lock", "go.sum", ".svg", "LICENSE"];
    !left_out.iter().any(|start| path.starts_with(start))
        && !lock.iter().any(|end| path.ends_with(end))
}

/// Every break of a rule in one file, as `path:line: text`.
pub(crate) fn breaks(path: &str, text: &str) -> Vec<String> {
    let mut breaks = Vec::new();
    let mut fenced = false;
    let markdown = path.ends_with(".md");
    for (number, line) in (1..).zip(text.lines()) {
        let mut report = |what: String| breaks.push(format!("{path}:{number}: {what}"));
        for word in words(line) {
            report(format!("the word {word:?}: name the actor"));
        }
        if path.ends_with(".rs") {
            if is_long_comment(line) {
                report(format!("a comment of more than {COLUMNS} columns"));
            }
            if let Some(file) = unshared_path(line) {
                report(format!(
                    "#[path = {file:?}]: lay the module out as a file of its parent"
                ));
            }
        }
        if markdown {
            fenced ^= line.trim_start().starts_with("```");
            if !fenced && is_long_prose(line) {
                report(format!("more than {COLUMNS} columns"));
            }
            if !fenced && let Some(picture) = picture(line) {
                report(format!(
                    "the heading has the metaphor {picture:?}: name the thing"
                ));
            }
        }
    }
    breaks
}

/// The words of the list in a line. The account `nobody` may stand in backticks, and in a string
/// without blanks.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split(|c: char| !c.is_alphanumeric());
    let found = parts.filter(|part| WORDS.iter().any(|word| part.eq_ignore_ascii_case(word)));
    let account = |delimiter: char| {
        let quoted = line.split(delimiter).skip(1).step_by(2);
        quoted
            .filter(|text| !text.contains(' ') || delimiter == '`')
            .map(|text| text.matches("nobody").count())
            .sum::<usize>()
    };
    let mut exempt = account('`').max(account('"'));
    found
        .filter(|word| {
            let is_account = *word == "nobody" && exempt > 0;
            exempt -= usize::from(is_account);
            !is_account
        })
        .collect()
}

/// Whether a line is a comment that is too long and holds no address.
fn is_long_comment(line: &str) -> bool {
    line.trim_start().starts_with("//") && !line.contains("://") && line.chars().count() > COLUMNS
}

/// Whether a line of Markdown is too long, tables and the targets of links aside.
fn is_long_prose(line: &str) -> bool {
    let mut text = line.to_owned();
    while let Some(begin) = text.find("](") {
        let end = text[begin..]
            .find(')')
            .map_or(text.len(), |end| begin + end + 1);
        text.replace_range(begin..end, "]");
    }
    let table = line.trim_start().starts_with('|');
    !table && !text.contains("://") && text.chars().count() > COLUMNS
}

/// The metaphor in a heading.
fn picture(line: &str) -> Option<&'static str> {
    let heading = line.strip_prefix('#')?.to_ascii_lowercase();
    let mut words = heading.split(|c: char| !c.is_alphanumeric());
    words.find_map(|word| PICTURES.iter().find(|picture| **picture == word).copied())
}

/// The file that a `#[path]` names, unless it may.
fn unshared_path(line: &str) -> Option<&str> {
    let file = line
        .trim()
        .strip_prefix("#[path = \"")?
        .strip_suffix("\"]")?;
    (!SHARED.iter().any(|start| file.starts_with(start))).then_some(file)
}

/// Types of one name in the sources, unit tests aside.
pub(crate) fn type_names(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let mut breaks = Vec::new();
    for (path, text) in files {
        let twin = TWINS.iter().any(|(file, _)| file == path);
        if !path.starts_with("src/") || !path.ends_with(".rs") || path.contains("tests") || twin {
            continue;
        }
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()) {
            let Some(name) = type_name(line) else {
                continue;
            };
            let here = format!("{path}:{number}");
            match seen.get(name) {
                Some(other) => breaks.push(format!("{here}: {name} is also in {other}")),
                None => _ = seen.insert(name, here),
            }
        }
    }
    breaks
}

/// The name of the type that a line at the left margin defines; an associated type is indented.
fn type_name(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    let (kind, rest) = rest.split_once(' ')?;
    let name = rest.split(|c: char| !c.is_alphanumeric()).next()?;
    let is_type = ["struct", "enum", "trait", "type", "union"].contains(&kind);
    (is_type && !name.is_empty()).then_some(name)
}
