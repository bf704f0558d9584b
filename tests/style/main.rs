//! Fails when tracked text leaves the rules for sentences and names in CONTRIBUTING.md.
//!
//! Owns the lists: words that no text uses, pictures that no heading uses, and the allowed
//! exceptions. `rules` judges one file at a time, `examples` shows that each rule can fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod examples;
mod rules;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Words without an actor, and pronouns that make a person of a program.
const WORDS: &[&str] = &[
    "whoever",
    "whom",
    "nobody",
    "somebody",
    "everybody",
    "oneself",
    "thereof",
    "he",
    "him",
    "his",
];

/// Metaphors of which a heading names the thing itself instead.
const PICTURES: &[&str] = &[
    "anatomy", "desk", "door", "doors", "gate", "house", "journey", "room", "rooms", "seat",
    "tour", "ways",
];

/// Columns of a line of Markdown, or of a Rust comment.
const COLUMNS: usize = 100;

/// The files which a `#[path]` may name: shared by test binaries, fuzz targets and unit tests.
const SHARED: &[&str] = &[
    "../support/mod.rs",
    "../fuzz_targets/mod.rs",
    "../../src/",
    // The model is also part of a fuzz target, which includes it by its path.
    "model/",
];

/// Types of one name: alternatives of which `cfg` compiles only one.
const TWINS: &[(&str, &str)] = &[
    ("src/net/tls/absent.rs", "the feature `tls` is off"),
    ("src/webhook/absent.rs", "the feature `webhooks` is off"),
];

/// Paths that do not keep the rules yet. A path leaves the list once its text is rewritten.
const NOT_YET: &[&str] = &[];

#[test]
fn tracked_text_keeps_the_rules() {
    let files = tracked();
    assert!(files.contains_key("src/lib.rs"), "git listed no sources");
    let mut breaks: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| rules::breaks(path, text))
        .chain(rules::type_names(&files))
        .collect();
    breaks.retain(|text| !NOT_YET.iter().any(|path| text.starts_with(path)));
    assert!(breaks.is_empty(), "\n{}\n", breaks.join("\n"));
}

/// The text files that git tracks, by their path from the root, without corpora and lock files.
fn tracked() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The checkout may belong to another user, as in a container.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files: {output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .split_terminator('\0')
        .filter(|path| rules::is_judged(path))
        // A file that was deleted and not staged yet, or one that is no text.
        .filter_map(|path| {
            Some((
                path.to_owned(),
                std::fs::read_to_string(root.join(path)).ok()?,
            ))
        })
        .collect()
}
