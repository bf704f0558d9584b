//! The files shipped beside the binary name only options that exist, and work: the manifests as the
//! command of a pod, the scratch image built from the static binary and run as PID 1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod kubernetes;
mod runner_image;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The options that `process-wrapper COMMAND --help` names.
fn options_of(command: &str) -> BTreeSet<String> {
    let help = Command::new(support::binary())
        .args([command, "--help"])
        .output()
        .unwrap();
    assert!(help.status.success(), "{command} is no command");
    let text = String::from_utf8(help.stdout).unwrap();
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_option_of_the_unit_exists() {
    let options = options_of("run");
    for file in ["packaging/systemd/process-wrapper-runner.service"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let text = text.replace("\\\n", " ");
        let mut checked = 0;
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            // From our `run` to the first `--`: what follows belongs to the runner.
            let words: Vec<_> = line
                .split([' ', '"', ',', '[', ']'])
                .filter(|word| !word.is_empty())
                .collect();
            let ours = words
                .windows(2)
                .position(|pair| pair[0].ends_with("/process-wrapper") && pair[1] == "run");
            let Some(ours) = ours else { continue };
            let own = words[ours..].iter().take_while(|word| **word != "--");
            for option in own.filter(|word| word.starts_with("--")) {
                assert!(options.contains(*option), "{file}: run has no {option}");
                checked += 1;
            }
        }
        assert!(checked > 0, "{file} was not understood");
    }
}

#[test]
fn the_profiled_build_names_its_missing_tools() {
    let refused = |profdata: &str, arguments: &[&str]| {
        let mut script = Command::new(root().join("packaging/profiled"));
        script.args(arguments).env("LLVM_PROFDATA", profdata);
        let output = script.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        words
    };
    let words = refused("/nowhere/llvm-profdata", &[]);
    assert!(words.contains("rustup component add llvm-tools"), "{words}");
    let words = refused("true", &["--no-default-features"]);
    assert!(
        words.contains("--no-default-features is not a target"),
        "{words}"
    );
}

#[test]
fn the_scratch_image_runs_as_pid_1_without_any_privilege() {
    let Some(binary) = std::env::var_os("PROCESS_WRAPPER_STATIC_BINARY") else {
        support::peers::missing("PROCESS_WRAPPER_STATIC_BINARY, the path of a static build,");
        return;
    };
    if support::peers::find("podman").is_none() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        support::peers::missing("the right to run containers (root)");
        return;
    }
    let mut script = Command::new(root().join("packaging/container/scratch-image"));
    script.arg(binary).arg("localhost/process-wrapper:test");
    if Path::new("/usr/sbin/runc").exists() {
        script.env("CONTAINER_RUNTIME", "/usr/sbin/runc");
    }
    let output = script.output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{printed}");
    assert!(
        printed.contains(concat!("process-wrapper ", env!("CARGO_PKG_VERSION"))),
        "{printed}"
    );
}
