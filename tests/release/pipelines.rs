//! The pipelines of GitLab and GitHub: valid by the linters of both.
//!
//! Owns the checks that no linter has: which actions, permissions and parts a pipeline has. It
//! never runs one.

use std::process::Command;

use crate::support::peers;
use crate::{root, stdout};

fn workflows() -> Vec<String> {
    let folder = root().join(".github/workflows");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

#[test]
fn workflows_pass_actionlint() {
    let Some(actionlint) = peers::find("actionlint") else {
        return;
    };
    let output = Command::new(&actionlint).args(workflows()).output();
    stdout(&output.unwrap());
    // A workflow that asks for an unknown runner must not pass.
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yml");
    let text = std::fs::read_to_string(&workflows()[0]).unwrap();
    std::fs::write(&bad, text.replace("ubuntu-24.04", "ubuntu-1.04")).unwrap();
    let output = Command::new(&actionlint).arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn pipelines_fit_the_schemas_of_their_platforms() {
    let Some(python) = peers::python("check_jsonschema") else {
        return;
    };
    let check = |schema: &str, files: &[String]| {
        Command::new(&python)
            .args(["-m", "check_jsonschema", "--builtin-schema", schema])
            .args(files)
            .output()
            .unwrap()
    };
    let gitlab = root().join(".gitlab-ci.yml");
    stdout(&check("vendor.gitlab-ci", &[gitlab.display().to_string()]));
    stdout(&check("vendor.github-workflows", &workflows()));
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yml");
    std::fs::write(&bad, "check:\n  script: 7\n").unwrap();
    let output = check("vendor.gitlab-ci", &[bad.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

/// The parts that .ci/long has, from the line that chooses one.
fn parts_of_the_long_run() -> Vec<String> {
    let text = std::fs::read_to_string(root().join(".ci/long")).unwrap();
    let line = text.lines().find(|line| line.ends_with(") \"$name\" ;;"));
    let (parts, _) = line.unwrap().split_once(')').unwrap();
    parts
        .split('|')
        .map(|part| part.trim().to_owned())
        .collect()
}

#[test]
fn the_weekly_workflow_runs_every_part_of_the_long_run() {
    let text = std::fs::read_to_string(root().join(".github/workflows/long.yml")).unwrap();
    let (_, rest) = text.split_once("part: [").unwrap();
    let (parts, _) = rest.split_once(']').unwrap();
    let parts: Vec<_> = parts.split(", ").map(str::to_owned).collect();
    assert_eq!(parts, parts_of_the_long_run());
}

#[test]
fn workflows_pin_every_action_and_grant_nothing_by_default() {
    for file in workflows() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("\npermissions:\n  contents: read\n"),
            "{file}"
        );
        let uses = |line: &&str| line.contains("uses: ") && !line.contains("uses: ./");
        for line in text.lines().filter(uses) {
            let (_, revision) = line.split_once('@').expect(line);
            let revision = revision.split(' ').next().unwrap();
            let is_hash = revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit());
            assert!(is_hash, "{file}: {line}");
        }
    }
}
