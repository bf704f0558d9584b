//! `packaging/monitoring`: alert rules, dashboard and scrape configurations name only what the
//! binary serves and the manifests have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};
use saphyr::{LoadableYamlNode, Yaml};

use crate::selectors::{Series, mistakes, series};
use crate::support::client::{Client, milliseconds};
use crate::support::{DRAINS, Wrapper, http1, peers, setup, start_ready};

pub(crate) fn shipped(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "packaging/monitoring", name]
        .iter()
        .collect()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

/// The expressions of the alert rules, by name.
pub(crate) fn rules() -> BTreeMap<String, String> {
    let text = text("alerts.yaml");
    let document = &Yaml::load_from_str(&text).unwrap()[0];
    let mut rules = BTreeMap::new();
    for group in document.as_mapping_get("groups").unwrap().as_vec().unwrap() {
        for rule in group.as_mapping_get("rules").unwrap().as_vec().unwrap() {
            let value = |key| rule.as_mapping_get(key).unwrap().as_str().unwrap();
            rules.insert(value("alert").to_owned(), value("expr").to_owned());
        }
    }
    assert!(rules.len() > 10, "the rules are not found");
    rules
}

/// The panels of the dashboard: the expressions and the legend of each, by its title.
pub(crate) fn panels() -> BTreeMap<String, Vec<(String, String)>> {
    let board: serde_json::Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let list = board["panels"].as_array().unwrap();
    let panels: BTreeMap<_, _> = list
        .iter()
        .map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            let targets =
                targets.map(|target| (word(&target["expr"]), word(&target["legendFormat"])));
            (word(&panel["title"]), targets.collect())
        })
        .collect();
    assert_eq!(panels.len(), list.len(), "two panels have one title");
    assert!(panels.len() > 10, "the panels are not found");
    panels
}

#[test]
fn promtool_accepts_the_rules_and_sees_them_fire() {
    let Some(promtool) = peers::find("promtool") else {
        return;
    };
    for arguments in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts-test.yaml"],
    ] {
        let mut command = Command::new(&promtool);
        command.args(arguments).current_dir(shipped(""));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    // A rule without a test would be one that perhaps never fires.
    let tests = text("alerts-test.yaml");
    for name in rules().keys() {
        assert!(
            tests.contains(&format!("\"{name}\"")),
            "{name} is in no test"
        );
    }
}

#[test]
fn the_operations_page_names_every_alert_and_pictures_every_panel() {
    let docs = |name: &str| std::fs::read_to_string(shipped("../../docs").join(name)).unwrap();
    let (page, picture) = (docs("operations.md"), docs("operations/dashboard.svg"));
    let shown = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `ProcessWrapper"));
    let shown: BTreeSet<String> = shown
        .map(|row| format!("ProcessWrapper{}", row.split('`').next().unwrap()))
        .collect();
    assert_eq!(shown, rules().into_keys().collect());
    for title in panels().keys() {
        assert!(
            picture.contains(&format!(">{title}</text>")),
            "{title} is not pictured: packaging/monitoring/draw-dashboard"
        );
    }
}

#[test]
fn the_rule_of_the_operator_holds_the_same_rules() {
    let (alerts, written) = (text("alerts.yaml"), text("prometheus-rule.yaml"));
    let (head, _) = written.split_once("\nspec:\n").unwrap();
    let groups = alerts.find("groups:").unwrap();
    let indented = alerts[groups..].lines().map(|line| {
        let indent = if line.is_empty() { "" } else { "  " };
        format!("{indent}{line}\n")
    });
    let expected = format!("{head}\nspec:\n{}", indented.collect::<String>());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(shipped("prometheus-rule.yaml"), &expected).unwrap();
        return;
    }
    assert_eq!(
        written, expected,
        "write it anew: UPDATE_GOLDEN=1 cargo test --test monitoring"
    );
}

/// A process that ignores QUIT, and TERM too or not.
const HANGS: &str = "trap '' QUIT TERM; echo ready; while :; do sleep 0.05; done";
const ABORTS: &str = "trap '' QUIT; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";

/// What the binary serves in every state and after every end.
fn served() -> Vec<Series> {
    let mut pages = String::new();
    let mut read = |wrapper: &Wrapper| pages.push_str(&http1::metrics(wrapper));
    let http = "--http-listen=tcp://127.0.0.1:0";
    for script in [DRAINS, HANGS, ABORTS] {
        let wrapper = start_ready(&[http], script);
        let client = Client::connect(&wrapper.address());
        let soon = || milliseconds(20);
        let request = InitiateGracefulShutdownRequest {
            force_after: (script != DRAINS).then(soon).flatten(),
            kill_after: (script == HANGS).then(soon).flatten(),
            ..InitiateGracefulShutdownRequest::default()
        };
        client.get_state();
        read(&wrapper);
        client.shut_down_with(request).unwrap();
        client.wait_until(State::Gone, None).unwrap();
        read(&wrapper);
    }
    let crashed = setup(&[http], &["false"]).start();
    Client::connect(&crashed.address())
        .wait_until(State::Gone, None)
        .unwrap();
    read(&crashed);
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}/read", folder.path().display());
    let readable = start_ready(&[http, &format!("--listen=read={socket}")], DRAINS);
    let refused =
        Client::connect(&socket).shut_down_with(InitiateGracefulShutdownRequest::default());
    assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);
    read(&readable);
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "a-token-of-sixteen-characters-or-more\n").unwrap();
    let token = format!("--token-file={}", tokens.display());
    let guarded = start_ready(&[http, &token], DRAINS);
    let refused = Client::connect(&guarded.address()).wait_until(State::Running, None);
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unauthenticated);
    read(&guarded);
    series(&pages)
}

#[test]
fn rules_and_panels_name_metrics_labels_and_values_that_the_binary_serves() {
    let served = served();
    let mut wrong = Vec::new();
    let alerts = rules()
        .into_iter()
        .map(|(name, expression)| (name, vec![(expression, String::new())]));
    for (name, expressions) in alerts.chain(panels()) {
        for (expression, legend) in expressions {
            let mut found = mistakes(&expression, &served);
            for label in legend.split("{{").skip(1) {
                let label = label.split("}}").next().unwrap();
                // Of a sum only the listed labels are left.
                let kept = expression.contains(label) || !expression.contains(" by (");
                if !kept || !mistakes(&format!("by ({label})"), &served).is_empty() {
                    found.push(format!("the legend has no {label}"));
                }
            }
            wrong.extend(
                found
                    .iter()
                    .map(|what| format!("{name}: {what}\n  {expression}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The manifests of a runner without overlays, each with its pods' labels, the named ports of their
/// containers, and the address of its `--http-listen`.
/// File, namespace, label `app`, ports, and the address of the metrics.
#[allow(clippy::type_complexity, reason = "one caller takes it apart")]
fn manifests() -> Vec<(String, String, String, BTreeMap<String, i64>, String)> {
    ["base/runner-manager.yaml"]
        .map(|file| {
            let text = std::fs::read_to_string(shipped(&format!("../kubernetes/{file}"))).unwrap();
            let documents = Yaml::load_from_str(&text).unwrap();
            let kind = |node: &&Yaml<'_>| {
                node.as_mapping_get("kind").and_then(Yaml::as_str) == Some("Deployment")
            };
            let pod = documents.iter().find(kind).unwrap();
            let namespace = at(pod, &["metadata", "namespace"]).as_str().unwrap();
            let pod = at(pod, &["spec", "template"]);
            let container = &at(pod, &["spec", "containers"]).as_vec().unwrap()[0];
            let ports = at(container, &["ports"]).as_vec().unwrap().iter();
            let ports = ports.map(|port| {
                let number = at(port, &["containerPort"]).as_integer().unwrap();
                (at(port, &["name"]).as_str().unwrap().to_owned(), number)
            });
            let label = at(pod, &["metadata", "labels", "app"]).as_str().unwrap();
            let words = at(container, &["args"]).as_vec().unwrap();
            let mut words = words.iter().map(|word| word.as_str().unwrap());
            words.find(|word| *word == "--http-listen").unwrap();
            let http = words.next().unwrap().to_owned();
            let (namespace, label) = (namespace.to_owned(), label.to_owned());
            (file.to_owned(), namespace, label, ports.collect(), http)
        })
        .into()
}

fn at<'y>(node: &'y Yaml<'y>, path: &[&str]) -> &'y Yaml<'y> {
    path.iter().fold(node, |node, key| {
        node.as_mapping_get(key)
            .unwrap_or_else(|| panic!("no {key} in {path:?}"))
    })
}

#[test]
fn scrape_configurations_select_the_pods_and_the_port_of_the_manifests() {
    let monitor = text("pod-monitor.yaml");
    let monitor = &Yaml::load_from_str(&monitor).unwrap()[0];
    let label = at(monitor, &["spec", "selector", "matchLabels", "app"])
        .as_str()
        .unwrap();
    let endpoint = &at(monitor, &["spec", "podMetricsEndpoints"])
        .as_vec()
        .unwrap()[0];
    let port = at(endpoint, &["port"]).as_str().unwrap();
    assert_eq!(at(endpoint, &["path"]).as_str(), Some("/metrics"));
    let relabeling = &at(endpoint, &["relabelings"]).as_vec().unwrap()[0];
    assert_eq!(at(relabeling, &["targetLabel"]).as_str(), Some("job"));
    assert_eq!(
        at(relabeling, &["replacement"]).as_str(),
        Some("process-wrapper")
    );
    // A monitor without `namespaceSelector` selects in its own namespace.
    let monitored = at(monitor, &["metadata", "namespace"]).as_str();
    for (file, namespace, app, ports, http) in manifests() {
        assert_eq!(monitored, Some(namespace.as_str()), "{file}");
        assert_eq!(label, app, "{file}");
        let number = ports
            .get(port)
            .unwrap_or_else(|| panic!("{file}: no port {port}"));
        assert_eq!(http, format!("tcp://0.0.0.0:{number}"), "{file}");
    }
}

/// prometheus.yaml with a target instead of its hosts, and one that service discovery would report
/// for the pod of a manifest.
pub(crate) fn configuration(host: &str, pod: &str) -> String {
    let (_, _, app, ports, _) = &manifests()[0];
    let port = ports.iter().find(|(_, number)| **number == 9090).unwrap().0;
    let found = format!(
        "static_configs:\n      - targets: ['{pod}']\n        labels: {{__meta_kubernetes_pod_label_app: {app}, \
         __meta_kubernetes_pod_container_port_name: {port}, \
         __meta_kubernetes_namespace: ci, __meta_kubernetes_pod_name: runner-manager-0}}\n\
         \x20     - targets: ['{pod}']\n        labels: {{__meta_kubernetes_pod_label_app: {app}, \
         __meta_kubernetes_pod_container_port_name: health}}\n"
    );
    let mut text = text("prometheus.yaml");
    for (from, to) in [
        (
            "scrape_interval: 15s\n",
            "scrape_interval: 250ms\n  evaluation_interval: 250ms\n",
        ),
        (
            "- alerts.yaml\n",
            &format!("- {}\n", shipped("alerts.yaml").display()),
        ),
        (
            "[runner-1.example.com:9090, runner-2.example.com:9090]",
            &format!("['{host}']"),
        ),
        // Debian's Prometheus is built without this service discovery.
        ("kubernetes_sd_configs:\n      - role: pod\n", &found),
    ] {
        assert!(text.contains(from), "prometheus.yaml has no {from:?}");
        text = text.replace(from, to);
    }
    text
}
