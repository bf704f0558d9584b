//! The command line and its environment variables, up to what would be done.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use process_wrapper::cli::{CheckedArguments, check};

/// Between the words and the variables; no UTF-8 text has this byte.
const SEPARATOR: u8 = 0xfe;

/// Words are separated by NUL bytes, as the kernel keeps them, and so are the variables, without
/// the start of their names. Nothing panics; a refusal is one line that says something; what stands
/// behind the first `--` cannot change the verdict's kind; and no variable changes a text.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == SEPARATOR);
    let words: Vec<OsString> = split(parts.next().unwrap_or_default()).collect();
    let variables: Vec<(String, OsString)> = split(parts.next().unwrap_or_default())
        .filter_map(|variable| {
            let bytes = variable.as_bytes();
            let at = bytes.iter().position(|byte| *byte == b'=')?;
            let name = std::str::from_utf8(&bytes[..at]).ok()?;
            let value = OsStr::from_bytes(&bytes[at + 1..]).to_owned();
            Some((format!("PROCESS_WRAPPER_{name}"), value))
        })
        .collect();
    let verdict = check(words.clone(), &variables);
    match &verdict {
        CheckedArguments::Command(_) => {}
        CheckedArguments::Text(text) => {
            assert!(!text.trim().is_empty());
            assert_eq!(verdict, check(words.clone(), &[]));
        }
        CheckedArguments::Usage(text) => {
            assert!(!text.trim().is_empty());
            assert!(!text.contains('\n'), "one line: {text}");
        }
    }
    if let Some(at) = words.iter().position(|word| word == "--") {
        let mut other = words[..=at].to_vec();
        other.extend(["sh", "--help", "--", "--version"].map(OsString::from));
        let other = check(other, &variables);
        let kind = std::mem::discriminant::<CheckedArguments>;
        let emptied = words.len() == at + 1;
        assert!(
            emptied || kind(&verdict) == kind(&other),
            "{verdict:?} against {other:?}"
        );
    }
}

fn split(data: &[u8]) -> impl Iterator<Item = OsString> {
    data.split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
}
