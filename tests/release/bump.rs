//! `packaging/bump` on a copy of the tracked files.
//!
//! Owns the proof that no file keeps the old version. It never changes the checkout.

use std::path::Path;
use std::process::Command;

use crate::support::peers;
use crate::{root, stdout};

/// Files that name versions of the past, or of other programs.
const HISTORY: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "buf.yaml",
    "docs/supervision.md",
    "fuzz/Cargo.lock",
    "tests/release/",
    "examples/",
    "benches/",
    "tests/kubernetes/go.",
    "docs/benchmarks",
    "docs/operations/dashboard.svg",
];

fn copy_to(folder: &Path) {
    let status = Command::new("sh")
        .args(["-c", "git -c safe.directory='*' ls-files -z -- . ':!fuzz/corpus' | tar --null -T - --ignore-failed-read -cf - | tar -xf - -C \"$0\""])
        .arg(folder)
        .current_dir(root())
        .status();
    assert!(status.unwrap().success());
}

fn bump(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let buf = peers::find("buf").unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let buf = buf.parent().map(|folder| folder.display().to_string());
    Command::new(folder.join("packaging/bump"))
        .args(arguments)
        .env("PATH", format!("{path}:{}", buf.unwrap_or_default()))
        .output()
        .unwrap()
}

#[test]
fn a_bump_changes_every_file_that_has_the_version() {
    if peers::find("buf").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    copy_to(folder);
    stdout(&bump(folder, &["98.7.6", "2031-02-03"]));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(read("CHANGELOG.md").contains("## [Unreleased]\n\n## 98.7.6 - 2031-02-03\n"));
    assert!(read("proto/released/98.7.6.txtpb").contains("process_wrapper"));
    assert!(read("src/cli/texts/manual.rs").contains("\"2031-02-03\""));
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let entry = "name = \"process-wrapper\"\nversion = \"98.7.6\"\n";
        assert!(read(lock).contains(entry), "{lock}");
    }
    let notes = Command::new(folder.join("packaging/notes"))
        .output()
        .unwrap();
    assert!(stdout(&notes).starts_with("### "), "{notes:?}");

    let old = env!("CARGO_PKG_VERSION");
    let found = Command::new("grep")
        .args(["-rlIF", "--exclude-dir=released", old, "."])
        .current_dir(folder)
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let left: Vec<_> = found
        .lines()
        .map(|path| path.trim_start_matches("./"))
        .filter(|path| !HISTORY.iter().any(|file| path.starts_with(file)))
        .collect();
    assert!(left.is_empty(), "these files still have {old}: {left:?}");
}

#[test]
fn a_bump_to_no_version_or_a_used_one_changes_nothing() {
    for (version, words) in [
        ("1.2", "1.2 is no version"),
        ("v1.2.3", "v1.2.3 is no version"),
        (env!("CARGO_PKG_VERSION"), "already"),
    ] {
        let output = crate::script("bump", &[version]);
        assert_eq!(output.status.code(), Some(1), "{version}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(words), "{version}: {stderr}");
    }
}
