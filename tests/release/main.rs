//! The scripts of a release and the pipelines that call them.
//!
//! Owns what can be checked without a build; `built` checks the files of a release, if
//! PROCESS_WRAPPER_RELEASE names their directory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

mod built;
mod bump;
mod fuzz_host;
mod pipelines;

use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str, arguments: &[&str]) -> Output {
    Command::new(root().join("packaging").join(name))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_release_has_every_kind_of_file_for_both_architectures() {
    let list = stdout(&script("release", &["--list"]));
    let version = env!("CARGO_PKG_VERSION");
    for name in [
        format!("process-wrapper-{version}-x86_64-unknown-linux-musl.tar.gz"),
        format!("process-wrapper-{version}-aarch64-unknown-linux-musl.cdx.json"),
        format!("process-wrapper_{version}-1_arm64.deb"),
        format!("process-wrapper-{version}-1.x86_64.rpm"),
        format!("process-wrapper-{version}-oci.tar"),
        "SHA256SUMS".to_owned(),
    ] {
        assert!(list.lines().any(|line| line == name), "{name}:\n{list}");
    }
    let one = stdout(&script("release", &["--list", "--arch", "aarch64"]));
    assert!(!one.contains("x86_64") && one.contains("aarch64"), "{one}");
}

/// cargo-binstall finds the archive by the names in Cargo.toml.
#[test]
fn cargo_binstall_finds_the_archive_of_a_release() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| {
            line.strip_prefix(key)
                .and_then(|rest| rest.strip_prefix(" = "))
        });
        let value = line.unwrap_or_else(|| panic!("no {key} in Cargo.toml"));
        value
            .trim_matches('"')
            .replace("{ name }", "process-wrapper")
            .replace("{ bin }", "process-wrapper")
            .replace("{ binary-ext }", "")
            .replace("{ version }", env!("CARGO_PKG_VERSION"))
            .replace("{ target }", "aarch64-unknown-linux-musl")
    };
    let list = stdout(&script("release", &["--list"]));
    let url = value("pkg-url");
    let archive = url.rsplit('/').next().unwrap();
    assert!(list.lines().any(|line| line == archive), "{url}\n{list}");
    let folder = archive.strip_suffix(".tar.gz").unwrap();
    assert_eq!(value("bin-dir"), format!("{folder}/process-wrapper"));
}

#[test]
fn bad_arguments_are_named_before_a_build() {
    let taken = tempfile::tempdir().unwrap();
    std::fs::write(taken.path().join("file"), "").unwrap();
    let taken = taken.path().to_str().unwrap();
    for (arguments, code, words) in [
        (&[][..], 2, "--out DIR is missing"),
        (&["--out"], 2, "--out needs a value"),
        (
            &["--out", "x", "--arch", "sparc"],
            2,
            "unknown architecture sparc; choose",
        ),
        (
            &["--out", "x", "--only", "docs"],
            2,
            "--only takes binaries",
        ),
        (&["--fast"], 2, "unknown argument --fast"),
        (
            &["--out", "x", "--only", "binaries", "--sign-key", "k"],
            2,
            "--only binaries signs nothing",
        ),
        (&["--out", taken], 1, "is not empty; choose another"),
        (
            &["--out", "x", "--sign-key", "/absent"],
            1,
            "the key /absent does not exist",
        ),
    ] {
        let output = script("release", arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn notes_of_a_release_are_its_section_of_the_changelog() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let notes = stdout(&script("notes", &["0.1.0"]));
    assert!(notes.starts_with("The first version.\n"), "{notes}");
    assert!(
        changelog.contains(notes.trim_end()),
        "the notes are not a part"
    );
    assert!(!notes.lines().any(|line| line.starts_with("## ")));
    let output = script("notes", &["9.9.9"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no section 9.9.9"), "{stderr}");
}
