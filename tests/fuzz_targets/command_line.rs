//! The command line, up to what would be done.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use process_wrapper::cli::{CheckedArguments, check};

/// Words are separated by NUL bytes, as the kernel keeps them. Nothing panics; a refusal is one
/// line that says something; and what stands behind the first `--` cannot change the verdict's
/// kind.
pub fn run(data: &[u8]) {
    let words: Vec<OsString> = data
        .split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    let verdict = check(words.clone());
    match &verdict {
        CheckedArguments::Command(_) => {}
        CheckedArguments::Help(text) => assert!(!text.trim().is_empty()),
        CheckedArguments::Usage(text) => {
            assert!(!text.trim().is_empty());
            assert!(!text.contains('\n'), "one line: {text}");
        }
    }
    if let Some(at) = words.iter().position(|word| word == "--") {
        let mut other = words[..=at].to_vec();
        other.extend(["sh", "--help", "--", "--version"].map(OsString::from));
        let other = check(other);
        let kind = std::mem::discriminant::<CheckedArguments>;
        let emptied = words.len() == at + 1;
        assert!(
            emptied || kind(&verdict) == kind(&other),
            "{verdict:?} against {other:?}"
        );
    }
}
