//! Small texts that break each rule, and some that keep it.

use std::collections::BTreeMap;

use crate::rules::{breaks, is_judged, type_names};

fn count(path: &str, text: &str) -> usize {
    breaks(path, text).len()
}

#[test]
fn a_word_without_an_actor_breaks() {
    for text in [
        "// Whoever asks is answered.",
        "fn nobody_knows() {}",
        "message: \"nobody could call\"",
        "// The wrapper keeps him out.",
    ] {
        assert_eq!(count("src/some.rs", text), 1, "{text}");
    }
    assert_eq!(
        breaks("docs/some.md", "one\nHis turn"),
        ["docs/some.md:2: the word \"His\": name the actor"]
    );
    for text in ["the shell, this, whose, chisel", "history of hers"] {
        assert_eq!(count("src/some.rs", text), 0, "{text}");
    }
}

#[test]
fn the_account_nobody_passes_as_code_only() {
    assert_eq!(count("docs/some.md", "Run it as `nobody`."), 0);
    assert_eq!(count("docs/some.md", "Run `chown nobody file`."), 0);
    assert_eq!(count("src/some.rs", "user(\"nobody\");"), 0);
    assert_eq!(count("docs/some.md", "nobody but `nobody`"), 1);
}

#[test]
fn long_lines_break_but_for_tables_links_and_code() {
    let long = "word ".repeat(21);
    assert_eq!(count("docs/some.md", &long), 1);
    assert_eq!(count("src/some.rs", &format!("// {long}")), 1);
    assert_eq!(count("src/some.rs", &format!("let text = \"{long}\";")), 0);
    let target = "x".repeat(100);
    for text in [
        format!("| {long} |"),
        format!("```\n{long}\n```"),
        format!("See [the page]({target}.md)."),
        "word ".repeat(20).trim_end().to_owned(),
    ] {
        assert_eq!(count("docs/some.md", &text), 0, "{text}");
    }
}

#[test]
fn a_metaphor_in_a_heading_breaks() {
    assert_eq!(count("docs/some.md", "## The map of the house"), 1);
    assert_eq!(
        count("docs/some.md", "## Options of run\n\nThe house rules."),
        0
    );
    assert_eq!(count("docs/some.md", "```sh\n# the door\n```"), 0);
}

#[test]
fn a_path_attribute_breaks_unless_the_file_is_shared() {
    assert_eq!(count("tests/some/main.rs", "#[path = \"some/part.rs\"]"), 1);
    assert_eq!(
        count("tests/some/main.rs", "#[path = \"../support/mod.rs\"]"),
        0
    );
}

#[test]
fn two_types_of_one_name_break_but_for_tests_and_twins() {
    let files = |other: &str, text: &str| {
        let files = [("src/a.rs", "pub(crate) struct Phase;"), (other, text)];
        BTreeMap::from(files.map(|(path, text)| (path.to_owned(), text.to_owned())))
    };
    assert_eq!(
        type_names(&files("src/b.rs", "\nenum Phase {}")),
        ["src/b.rs:2: Phase is also in src/a.rs:1"]
    );
    for (path, text) in [
        ("src/b.rs", "pub struct Phases<T>(T);"),
        ("src/b.rs", "impl Iterator for X {\n    type Phase = u8;\n}"),
        ("src/b.rs", "#[cfg(test)]\nmod tests {\nstruct Phase;\n}"),
        ("src/grpc/tests/b.rs", "struct Phase;"),
        ("src/net/tls/absent.rs", "pub struct Phase;"),
    ] {
        assert_eq!(type_names(&files(path, text)), [""; 0], "{path}: {text}");
    }
}

#[test]
fn corpora_and_lock_files_are_left_out() {
    for path in [
        "fuzz/corpus/words/seed-1",
        "Cargo.lock",
        "tests/style/main.rs",
    ] {
        assert!(!is_judged(path), "{path}");
    }
    assert!(is_judged("fuzz/README.md") && is_judged("justfile"));
}
