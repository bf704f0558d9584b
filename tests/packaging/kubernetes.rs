//! Kubernetes' manifests: each parses, names only options that exist, and does what the pod needs.
//!
//! Owns the judgement of the files. A kubelet runs them in `tests/kubernetes`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use process_wrapper::human_duration::HumanDuration;
use saphyr::{LoadableYamlNode, Yaml, YamlOwned};

use crate::{options_of, root, support};

/// A manifest as kubectl would apply it.
struct Manifest {
    name: &'static str,
    text: String,
}

/// The plain one, and where kustomize is installed those that are patches of another.
fn manifests() -> Vec<Manifest> {
    let base = "packaging/kubernetes/base/runner-manager.yaml";
    let text = std::fs::read_to_string(root().join(base)).unwrap();
    let mut all = vec![Manifest { name: base, text }];
    if let Some(kustomize) = support::peers::find("kustomize") {
        let name = "packaging/kubernetes/mtls";
        let output = Command::new(&kustomize)
            .args(["build", name])
            .current_dir(root())
            .output()
            .unwrap();
        let text = checked(&output);
        all.push(Manifest { name, text });
        let name = "packaging/helm";
        let text = checked(&post_render(&kustomize, &chart()));
        all.push(Manifest { name, text });
    }
    all
}

/// What GitLab's chart renders.
fn chart() -> String {
    std::fs::read_to_string(root().join("tests/packaging/chart.yaml")).unwrap()
}

fn post_render(kustomize: &Path, rendered: &str) -> Output {
    let mut renderer = Command::new(root().join("packaging/helm/post-renderer"))
        .env("KUSTOMIZE", format!("{} build", kustomize.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = renderer.stdin.take().unwrap();
    stdin.write_all(rendered.as_bytes()).unwrap();
    drop(stdin);
    renderer.wait_with_output().unwrap()
}

fn checked(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
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

#[test]
fn every_option_in_a_manifest_exists() {
    let mut seen = BTreeSet::new();
    for Manifest { name: file, text } in manifests() {
        let documents = Yaml::load_from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut lines = Vec::new();
        for document in &documents {
            assert!(
                document.as_mapping_get("kind").is_some(),
                "{file}: an empty document"
            );
            command_lines(document, &mut lines);
        }
        assert!(lines.len() >= 2, "{file}: the container and its preStop");
        for line in lines {
            let own = line.split(|word| word == "--").next().unwrap();
            let options = options_of(&own[1]);
            for word in own.iter().filter(|word| word.starts_with("--")) {
                let name = word.split('=').next().unwrap();
                assert!(options.contains(name), "{file}: {} has no {name}", own[1]);
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
    for Manifest { name: file, text } in manifests() {
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
        // The runner's clean-up: in the manifest's config.toml, or for the chart in its values.
        let clean_up = text.split("shutdown_timeout = ").nth(1).map_or_else(
            || {
                value_of_the_chart(&["shutdown_timeout"])
                    .as_integer()
                    .unwrap()
            },
            |rest| rest.lines().next().unwrap().parse().unwrap(),
        );
        assert!(clean_up > 30, "{file}: 30 s is the runner's default");
        let seconds = i64::try_from(force_after.0.as_secs()).unwrap() + clean_up;
        assert!(seconds + 60 <= grace.unwrap(), "{file}");
    }
}

/// What packaging/helm/values.yaml sets for the chart, as a path of keys.
fn value_of_the_chart(path: &[&str]) -> YamlOwned {
    let file = root().join("packaging/helm/values.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let documents = YamlOwned::load_from_str(&text).unwrap();
    path.iter().fold(documents[0].clone(), |node, key| {
        let value = node.as_mapping_get(key);
        value.unwrap_or_else(|| panic!("{path:?}")).clone()
    })
}

/// The fixture stands for the chart's output with these values.
#[test]
fn the_values_for_the_chart_fit_its_patch() {
    let rendered = chart();
    let grace = value_of_the_chart(&["terminationGracePeriodSeconds"]);
    let grace = grace.as_integer().unwrap();
    let line = format!("      terminationGracePeriodSeconds: {grace}\n");
    assert!(rendered.contains(&line), "{grace}");
    // The port and /health/ready of --ready-after.
    assert_eq!(
        value_of_the_chart(&["metrics", "enabled"]).as_bool(),
        Some(true)
    );
    let words = |key| {
        let value = value_of_the_chart(&["image", key]);
        value.as_str().unwrap().to_owned()
    };
    let tag = words("tag");
    let image = format!("{}/{}:{tag}", words("registry"), words("image"));
    assert!(rendered.contains(&format!("image: {image}\n")), "{image}");
    // The chart's user 100 is that of the Alpine image.
    let version = tag
        .strip_prefix("alpine-")
        .unwrap_or_else(|| panic!("{tag}"));
    let base = root().join("packaging/kubernetes/base/runner-manager.yaml");
    let base = std::fs::read_to_string(base).unwrap();
    let image = format!("image: registry.example.com/gitlab-runner-wrapped:{version}\n");
    assert!(base.contains(&image), "{image}");
}

/// A wrapper that hangs forwards no signal: the pod's grace would last for hours.
#[test]
fn every_probe_that_restarts_has_a_short_grace() {
    for Manifest { name: file, text } in manifests() {
        let mut probes = Vec::new();
        let documents = Yaml::load_from_str(&text).unwrap();
        for document in &documents {
            for probe in ["startupProbe", "livenessProbe"] {
                values_of(document, probe, &mut probes);
            }
        }
        assert_eq!(probes.len(), 2, "{file}");
        for probe in probes {
            let grace = probe.as_mapping_get("terminationGracePeriodSeconds");
            assert_eq!(grace.and_then(Yaml::as_integer), Some(30), "{file}");
        }
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
            // The test's process serves no readiness, so another socket stands in for it.
            .replace(
                "http://localhost:9252/health/ready",
                &format!("unix:{pod}/run/control.sock"),
            )
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
    for Manifest { name: file, text } in manifests() {
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
        assert!(probe.status.success(), "{file}: {probe:?}");
        let pre_stop = Command::new(support::binary())
            .args(in_a_pod(command("shutdown"), wrapper.folder.path()))
            .output()
            .unwrap();
        assert!(pre_stop.status.success(), "{file}: {pre_stop:?}");
        wrapper.stdout.wait_for("draining");
        // The wrapper stays for its probes until the kubelet's TERM comes.
        wrapper.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(wrapper.code(), 0, "{file}: {}", wrapper.stderr.text());
    }
}

/// A copied `pgrep` would restart a pod whose runner has drained, and the chart's hook would
/// unregister the runner while jobs run.
#[test]
fn the_patched_chart_keeps_none_of_its_own_probes_and_hooks() {
    let Some(kustomize) = support::peers::find("kustomize") else {
        return;
    };
    let text = checked(&post_render(&kustomize, &chart()));
    let (mut lines, mut probes) = (Vec::new(), Vec::new());
    let documents = Yaml::load_from_str(&text).unwrap();
    for document in &documents {
        command_lines(document, &mut lines);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            values_of(document, probe, &mut probes);
        }
        let mut commands = Vec::new();
        values_of(document, "command", &mut commands);
        for command in commands {
            let program = command.as_vec().unwrap()[0].as_str().unwrap();
            assert_eq!(program, "/usr/local/bin/process-wrapper", "{text}");
        }
    }
    assert_eq!(probes.len(), 3, "{text}");
    for probe in probes {
        assert!(probe.as_mapping_get("grpc").is_some(), "{text}");
        assert!(probe.as_mapping_get("exec").is_none(), "{text}");
    }
    // The container and its preStop.
    assert_eq!(lines.len(), 2, "{text}");
    let mut ports = Vec::new();
    for document in &documents {
        values_of(document, "containerPort", &mut ports);
    }
    let ports: Vec<_> = ports.into_iter().map(|port| port.as_integer()).collect();
    assert_eq!(ports, [Some(9252), Some(9090)], "{text}");
    assert!(lines[0].ends_with(&["/bin/bash".into(), "/configmaps/entrypoint".into()]));
}

#[test]
fn a_chart_that_the_patch_does_not_know_is_refused() {
    let Some(kustomize) = support::peers::find("kustomize") else {
        return;
    };
    for (from, to) in [
        (r#""--", /bin/bash, /configmaps/entrypoint"#, "/start"),
        // `metrics.enabled: false`.
        (
            "          ports:\n            - {name: metrics, containerPort: 9252}\n",
            "",
        ),
        // A second one.
        (
            "---\napiVersion: apps/v1\n",
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\n\
             ---\napiVersion: apps/v1\n",
        ),
        ("kind: Deployment", "kind: StatefulSet"),
    ] {
        let changed = chart().replace(from, to);
        assert_ne!(changed, chart());
        let output = post_render(&kustomize, &changed);
        assert!(!output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("post-renderer: "), "{words}");
    }
}
