//! Prometheus itself scrapes `/metrics`.

use std::process::Command;

use process_wrapper::pb::process_wrapper::v1::State;
use serde_json::Value;

use crate::support::client::Client;
use crate::support::http1::{self, exchange};
use crate::support::peers::{self, Peer};
use crate::support::{DRAINS, eventually, start_ready};

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
    let mut command = Command::new(program);
    command.args(["--web.listen-address=127.0.0.1:0", "--config.file"]);
    command.arg(&configuration).arg("--storage.tsdb.path");
    let prometheus = Peer::start({
        command.arg(folder.join("data"));
        command
    });
    // `msg="Listening on" address=127.0.0.1:PORT`
    let line = prometheus.lines.wait_for("Listening on");
    let address = line.split("address=").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap().to_owned();
    prometheus.lines.wait_for("Server is ready");

    let is_scraped_as = |state: &str| {
        let query = format!(
            "query?query=process_wrapper_process_state%7Bprocess_wrapper_process_state%3D%22{state}%22%7D%3D%3D1"
        );
        let found = api(&address, &query);
        found["result"]
            .as_array()
            .is_some_and(|found| found.len() == 1)
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
