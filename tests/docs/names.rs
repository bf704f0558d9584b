//! The names of tests on the pages.
//!
//! Owns which words count as one: in backticks, four parts and more. It never runs a test.

use std::collections::BTreeSet;
use std::path::Path;

/// Names of other programs: the interop tests of gRPC, and settings of h2.
const FOREIGN: &[&str] = &[
    "cancel_after_first_response",
    "max_local_error_resets",
    "max_pending_accept_resets",
    "status_code_and_message",
    "timeout_on_sleeping_server",
];

/// The functions of the Rust files below `folder`.
pub(crate) fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1);
            let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            found.extend(names.map(|rest| rest.chars().take_while(|c| is_letter(*c)).collect()));
        }
    }
}

/// The names in `text` that neither a function nor another program has. Those of metrics are
/// compared with the metrics elsewhere.
pub(crate) fn unknown<'a>(text: &'a str, functions: &BTreeSet<String>) -> Vec<&'a str> {
    let words = text.split('`').filter(|word| {
        let parts: Vec<_> = word.split('_').collect();
        let is_part = |part: &&str| {
            let mut letters = part.bytes();
            !part.is_empty() && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        parts.len() >= 4 && parts.iter().all(is_part)
    });
    words
        .filter(|word| {
            let known = functions.contains(*word) || FOREIGN.contains(word);
            !known && !word.starts_with("process_wrapper_")
        })
        .collect()
}
