//! The files shipped beside the binary: manifests that parse and name only options that exist, and
//! the scratch image, built from the static binary and run as PID 1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod runner_image;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use process_wrapper::human_duration::HumanDuration;
use saphyr::{LoadableYamlNode, Yaml};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifests() -> Vec<PathBuf> {
    let folder = root().join("packaging/kubernetes");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Every list of words below `node` that begins a command of ours: `command` and `args` together,
/// and `exec`.
fn command_lines<'y>(node: &'y Yaml<'y>, found: &mut Vec<Vec<String>>) {
    if let Some(mapping) = node.as_mapping() {
        let words = |key: &str| -> Vec<String> {
            let list = node.as_mapping_get(key).and_then(Yaml::as_vec);
            list.into_iter()
                .flatten()
                .map(|word| word.as_str().expect("a string: quote it").to_owned())
                .collect()
        };
        let line = [words("command"), words("args")].concat();
        if line
            .first()
            .is_some_and(|program| program.ends_with("/process-wrapper"))
        {
            found.push(line);
        }
        for (_, value) in mapping {
            command_lines(value, found);
        }
    }
    for item in node.as_vec().into_iter().flatten() {
        command_lines(item, found);
    }
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
fn every_option_in_a_manifest_exists() {
    let mut seen = BTreeSet::new();
    for file in manifests() {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        let mut lines = Vec::new();
        for document in &documents {
            assert!(
                document.as_mapping_get("kind").is_some(),
                "{file:?}: an empty document"
            );
            command_lines(document, &mut lines);
        }
        assert!(lines.len() >= 2, "{file:?}: the container and its preStop");
        for line in lines {
            let own = line.split(|word| word == "--").next().unwrap();
            let options = options_of(&own[1]);
            for word in own.iter().filter(|word| word.starts_with("--")) {
                let name = word.split('=').next().unwrap();
                assert!(options.contains(name), "{file:?}: {} has no {name}", own[1]);
                seen.insert(name.to_owned());
            }
        }
    }
    for expected in ["--listen", "--rewrite-signal", "--exit-when-gone", "--wait"] {
        assert!(
            seen.contains(expected),
            "{expected} was looked for in the wrong place"
        );
    }
}

/// The values of a key, anywhere below `node`.
fn values_of<'y>(node: &'y Yaml<'y>, key: &str, found: &mut Vec<&'y Yaml<'y>>) {
    found.extend(node.as_mapping_get(key));
    if let Some(mapping) = node.as_mapping() {
        for (_, value) in mapping {
            values_of(value, key, found);
        }
    }
    for item in node.as_vec().into_iter().flatten() {
        values_of(item, key, found);
    }
}

#[test]
fn every_manifest_aborts_before_its_grace_period_is_over() {
    for file in manifests() {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = Yaml::load_from_str(&text).unwrap();
        let (mut lines, mut grace) = (Vec::new(), Vec::new());
        for document in &documents {
            command_lines(document, &mut lines);
            values_of(document, "terminationGracePeriodSeconds", &mut grace);
        }
        let run = lines.iter().find(|line| line[1] == "run").unwrap();
        let value = run.iter().skip_while(|word| *word != "--force-after");
        let force_after: HumanDuration = value.clone().nth(1).unwrap().parse().unwrap();
        let grace = grace.iter().filter_map(|value| value.as_integer()).max();
        let grace = Duration::from_secs(grace.unwrap().try_into().unwrap());
        // The runner cleans up within its `shutdown_timeout`, at least its default of 30 s.
        assert!(force_after.0 + Duration::from_secs(60) <= grace, "{file:?}");
    }
}

/// The words of a manifest with what a pod would have replaced by what a test has, up to the
/// runner's own.
#[cfg(all(feature = "monitor", feature = "tls"))]
fn in_a_pod(line: &[String], pod: &Path) -> Vec<String> {
    let pod = pod.to_str().unwrap();
    let own = line[1..].iter().take_while(|word| *word != "--");
    own.map(|word| {
        word.replace("/run/process-wrapper", &format!("{pod}/run"))
            .replace("/etc/process-wrapper/tls", &format!("{pod}/tls"))
            .replace(":8086", ":0")
            .replace(":7777", ":0")
            .replace(":9090", ":0")
    })
    .collect()
}

/// The volumes of the manifests, with the modes that a kubelet gives them.
#[cfg(all(feature = "monitor", feature = "tls"))]
fn mount_volumes(pod: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let sockets = pod.join("run");
    std::fs::create_dir(&sockets).unwrap();
    // An emptyDir in memory: the mode of a tmpfs, and that of fsGroup.
    std::fs::set_permissions(&sockets, std::fs::Permissions::from_mode(0o3777)).unwrap();
    let tls = pod.join("tls");
    std::fs::create_dir(&tls).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["wrapper.example".to_owned()]).unwrap();
    std::fs::write(tls.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(tls.join("ca.crt"), made.cert.pem()).unwrap();
    std::fs::write(tls.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

/// The command as it would run in the pod: the container's starts, its probe answers, and preStop
/// drains it.
#[cfg(all(feature = "monitor", feature = "tls"))]
#[test]
fn every_manifest_starts_answers_its_probe_and_is_drained_by_its_pre_stop() {
    for file in manifests() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut lines = Vec::new();
        for document in &Yaml::load_from_str(&text).unwrap() {
            command_lines(document, &mut lines);
        }
        let command = |name: &str| lines.iter().find(|line| line[1] == name).unwrap();
        let mut wrapper = support::setup_with(|wrapper, pod| {
            mount_volumes(pod);
            wrapper.args(in_a_pod(command("run"), pod));
            wrapper.args([
                "--",
                "sh",
                "-c",
                &support::DRAINS.replace("exit 3", "exit 0"),
            ]);
        })
        .start();
        wrapper.stdout.wait_for("ready");
        let health = wrapper.stderr.wait_for(r#""role":"health""#);
        let port: String = health
            .rsplit("tcp://0.0.0.0:")
            .next()
            .unwrap()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let probe = Command::new(support::binary())
            .args(["probe", "--service", "process", "--address"])
            .arg(format!("tcp://127.0.0.1:{port}"))
            .output()
            .unwrap();
        assert!(probe.status.success(), "{file:?}: {probe:?}");
        let pre_stop = Command::new(support::binary())
            .args(in_a_pod(command("shutdown"), wrapper.folder.path()))
            .output()
            .unwrap();
        assert!(pre_stop.status.success(), "{file:?}: {pre_stop:?}");
        wrapper.stdout.wait_for("draining");
        // The wrapper stays for its probes until the kubelet's TERM comes.
        wrapper.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(wrapper.code(), 0, "{file:?}: {}", wrapper.stderr.text());
    }
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
