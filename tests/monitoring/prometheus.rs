//! Prometheus itself scrapes `/metrics`, with the shipped rules and configuration too.

use std::path::Path;
use std::process::Command;

use process_wrapper::pb::process_wrapper::v1::State;
use serde_json::Value;

use crate::shipped;
use crate::support::client::Client;
use crate::support::http1::{self, exchange};
use crate::support::peers::{self, Peer};
use crate::support::{DRAINS, Wrapper, eventually, setup, start_ready};

/// The result of a page of Prometheus's HTTP API.
fn api(prometheus: &str, page: &str) -> Value {
    // HTTP/1.0, so that the body has no chunks.
    let request = format!("GET /api/v1/{page} HTTP/1.0\r\nHost: x\r\n\r\n");
    let answer = exchange(prometheus, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], "success", "{page}: {head} {body}");
    body["data"].clone()
}

/// The result of an expression.
fn query(prometheus: &str, expression: &str) -> Vec<Value> {
    let mut encoded = String::new();
    for byte in expression.bytes() {
        encoded.push_str(&format!("%{byte:02x}"));
    }
    let found = api(prometheus, &format!("query?query={encoded}"));
    // A scalar is a pair, and no list of series.
    found["result"].as_array().unwrap().clone()
}

/// Prometheus with this configuration, and its address.
fn start(program: &Path, configuration: &Path) -> (Peer, String) {
    let mut command = Command::new(program);
    command.args(["--web.listen-address=127.0.0.1:0", "--config.file"]);
    command.arg(configuration).arg("--storage.tsdb.path");
    command.arg(configuration.with_extension("data"));
    let prometheus = Peer::start(command);
    // `msg="Listening on" address=127.0.0.1:PORT`
    let line = prometheus.lines.wait_for("Listening on");
    let address = line.split("address=").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap().to_owned();
    prometheus.lines.wait_for("Server is ready");
    (prometheus, address)
}

/// A wrapper whose process runs until it is killed, as the manifests start it.
fn start_on(port: &str) -> Wrapper {
    let listen = format!("--http-listen=tcp://{port}");
    setup(
        &[&listen, "--exit-when-gone=unrequested"],
        &["sh", "-c", "echo ready; exec sleep 600"],
    )
    .start()
}

#[test]
fn the_shipped_configuration_alerts_to_a_crash_under_the_shipped_recipe() {
    let Some(program) = peers::find("prometheus") else {
        return;
    };
    let (host, mut pod) = (start_on("127.0.0.1:0"), start_on("127.0.0.1:0"));
    let (on_host, in_pod) = (http1::address(&host), http1::address(&pod));
    let configuration = host.folder.path().join("prometheus.yml");
    std::fs::write(&configuration, shipped::configuration(&on_host, &in_pod)).unwrap();
    let (_prometheus, address) = start(&program, &configuration);
    let starts = "changes(process_wrapper_process_start_time_seconds[15m])";
    eventually("both targets are scraped, under one job", || {
        query(
            &address,
            &format!("{starts} unless up{{job!=\"process-wrapper\"}}"),
        )
        .len()
            == 2
    });
    // The pod's port for probes is no target.
    let targets = query(&address, "up");
    assert_eq!(targets.len(), 2, "{targets:?}");
    let named = query(&address, "up{namespace=\"ci\",pod=\"runner-manager-0\"}");
    assert_eq!(named.len(), 1, "{targets:?}");
    let alerts = || -> Vec<Value> {
        let found = query(&address, "ALERTS{alertstate=\"firing\"}");
        found.iter().map(|alert| alert["metric"].clone()).collect()
    };
    assert_eq!(alerts(), Vec::<Value>::new());

    // The wrapper exits with its process, and the kubelet starts the container again.
    let crash = nix::unistd::Pid::from_raw(pod.child_pid());
    nix::sys::signal::kill(crash, nix::sys::signal::Signal::SIGSEGV).unwrap();
    assert_eq!(pod.code(), 139);
    let _restarted = start_on(&in_pod);
    eventually("the alert fires", || !alerts().is_empty());
    let fired = alerts();
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert_eq!(
        fired[0]["alertname"], "ProcessWrapperRestarted",
        "{fired:?}"
    );
    assert_eq!(fired[0]["pod"], "runner-manager-0", "{fired:?}");

    // Prometheus evaluates the panels as Grafana would send them.
    for (panel, expressions) in shipped::panels() {
        for (expression, _) in expressions {
            let sent = expression
                .replace("$instance", ".*")
                .replace("$__rate_interval", "1m");
            query(&address, &sent);
            assert!(!sent.contains('$'), "{panel}: {sent}");
        }
    }
}

#[test]
fn prometheus_scrapes_the_states_of_a_drain() {
    let Some(program) = peers::find("prometheus") else {
        return;
    };
    let wrapper = start_ready(&["--http-listen=tcp://127.0.0.1:0"], DRAINS);
    let target = http1::address(&wrapper);
    let folder = wrapper.folder.path();
    let configuration = folder.join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 250ms\n  scrape_timeout: 250ms\n\
         scrape_configs:\n- job_name: wrapper\n  static_configs:\n  - targets: ['{target}']\n"
    );
    std::fs::write(&configuration, text).unwrap();
    let (_prometheus, address) = start(&program, &configuration);

    let is_scraped_as = |state: &str| {
        let found = query(
            &address,
            &format!(
                "process_wrapper_process_state{{process_wrapper_process_state=\"{state}\"}}==1"
            ),
        );
        found.len() == 1
    };
    eventually("Prometheus sees it running", || is_scraped_as("running"));
    let targets = api(&address, "targets?state=active");
    let target = &targets["activeTargets"][0];
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into()),
        "{targets}"
    );
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    eventually("Prometheus sees it gone", || is_scraped_as("gone"));
    assert!(!is_scraped_as("running"));
    // Each family has a type and a help text that Prometheus reads.
    let metadata = api(
        &address,
        "targets/metadata?match_target=%7Bjob%3D%22wrapper%22%7D",
    );
    let families = metadata.as_array().unwrap();
    assert!(!families.is_empty());
    for family in families {
        assert_ne!(family["type"], "unknown", "{family}");
        assert_ne!(family["help"], "", "{family}");
    }
}
