//! The files with which ClusterFuzzLite and OSS-Fuzz build the fuzz targets.
//!
//! Owns that each target arrives with its corpus. A stand-in for cargo builds nothing.

use std::process::Command;

use crate::support::{self, peers};
use crate::{root, stdout};

#[test]
fn every_fuzz_target_arrives_with_its_corpus() {
    if peers::find("zip").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [bin, target, out] = ["bin", "target", "out"].map(|name| folder.path().join(name));
    let built = target.join("x86_64-unknown-linux-gnu/release");
    for path in [&bin, &built, &out] {
        std::fs::create_dir_all(path).unwrap();
    }
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let names: Vec<_> = manifest
        .split("[[bin]]")
        .skip(1)
        .map(|text| text.split('"').nth(1).unwrap())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    let touch = format!(
        "#!/bin/sh\ncd {} && touch {}\n",
        built.display(),
        names.join(" ")
    );
    support::write_program(&bin.join("cargo"), &touch);
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(root().join(".clusterfuzzlite/build.sh"))
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("CARGO_TARGET_DIR", &target)
        .env("OUT", &out)
        .output();
    stdout(&output.unwrap());
    for name in names {
        let corpus = out.join(format!("{name}_seed_corpus.zip"));
        assert!(out.join(name).exists(), "{name}");
        assert!(corpus.metadata().unwrap().len() > 100, "{name}");
        let has_dictionary = root().join(format!("fuzz/dict/{name}.txt")).exists();
        assert_eq!(
            out.join(format!("{name}.dict")).exists(),
            has_dictionary,
            "{name}"
        );
    }
}
