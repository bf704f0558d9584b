//! Replays the corpora of the fuzz targets: every input that was once worth keeping.
//!
//! Owns the replay. What is asserted of an input is in `fuzz_targets/`; how inputs are found is in
//! fuzz/README.md. An input that once broke something stays in its corpus.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by them"
)]

#[path = "../fuzz_targets/mod.rs"]
mod fuzz_targets;

use std::path::Path;

#[test]
fn every_input_of_every_corpus_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in fuzz_targets::ALL {
        let mut inputs: Vec<_> = std::fs::read_dir(corpora.join(name))
            .unwrap_or_else(|error| panic!("no corpus for {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(inputs.len() >= 3, "the corpus of {name} is too small");
        for input in inputs {
            // Shown if it fails.
            println!("{}", input.display());
            target(&std::fs::read(&input).unwrap());
        }
        // Inputs that a fuzzer tries first, and some that it reaches late.
        for input in [vec![], vec![0; 5000], vec![0xff; 5000]] {
            target(&input);
        }
    }
}

#[test]
fn every_target_can_be_fuzzed_and_no_corpus_is_forgotten() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in fuzz_targets::ALL {
        assert!(
            fuzz.join(format!("fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    for folder in std::fs::read_dir(fuzz.join("corpus")).unwrap() {
        let folder = folder.unwrap().file_name().into_string().unwrap();
        if folder.starts_with("webhook_") && !cfg!(feature = "webhooks") {
            continue;
        }
        assert!(
            fuzz_targets::ALL.iter().any(|(name, _)| *name == folder),
            "{folder}"
        );
    }
}
