//! `packaging/bump` on a copy of the tracked files.
//!
//! Owns the proof that no file keeps the old version. It never changes the checkout.

use std::path::Path;
use std::process::Command;

use crate::support::peers;
use crate::{root, stdout};

/// Files that name versions of the past.
const HISTORY: &[&str] = &["CHANGELOG.md", "docs/supervision.md", "tests/release/"];

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

/// Writes what a bump needs, and the last one has moved to its section.
fn note_a_change(folder: &Path) {
    let file = folder.join("CHANGELOG.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let entry = "## [Unreleased]\n\n### Added\n\n- An entry.\n";
    std::fs::write(&file, text.replacen("## [Unreleased]\n", entry, 1)).unwrap();
}

/// The files in which a line matches, without those that name versions of the past.
fn files_with(folder: &Path, pattern: &str) -> Vec<String> {
    let found = Command::new("grep")
        .args(["-rlIE", "--exclude-dir=released", pattern, "."])
        .current_dir(folder)
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let files = found.lines().map(|path| path.trim_start_matches("./"));
    files
        .filter(|path| !HISTORY.iter().any(|file| path.starts_with(file)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_bump_changes_every_file_that_has_the_version() {
    if peers::find("buf").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    copy_to(folder);
    // The second one finds no other text with its old version.
    note_a_change(folder);
    stdout(&bump(folder, &["98.7.5", "2031-02-02"]));
    assert!(files_with(folder, "98\\.7\\.5").contains(&"Cargo.toml".to_owned()));
    note_a_change(folder);
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
    let left = files_with(folder, "98\\.7\\.5");
    assert!(left.is_empty(), "these files still have 98.7.5: {left:?}");

    // A file that the script does not know keeps the version of the checkout, beside our name.
    let old = env!("CARGO_PKG_VERSION").replace('.', "\\.");
    let ours = format!("process[-_]wrapper[-_ :/@v\"=]*{old}([^0-9.]|$)");
    let left = files_with(folder, &ours);
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
