//! The suites of others: grpc-go's interoperability client and h2spec.

use std::process::Command;

use crate::run;
use crate::server::TestServer;
use crate::support::peers;

/// The cases of grpc-go's client that need neither TLS nor credentials nor compression.
const CASES: [&str; 14] = [
    "empty_unary",
    "large_unary",
    "server_streaming",
    "client_streaming",
    "ping_pong",
    "empty_stream",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "custom_metadata",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
];

#[test]
fn every_case_of_the_interop_client_of_grpc_go_passes() {
    let Some(client) = peers::find("client") else {
        return;
    };
    let server = TestServer::start();
    for case in CASES {
        let mut command = Command::new(&client);
        command.arg("--server_host=127.0.0.1");
        command.arg(format!("--server_port={}", server.address.port()));
        command.arg(format!("--test_case={case}"));
        let output = run(&mut command);
        assert!(output.success, "{case}: {}", output.text);
    }
}

/// The cases of h2spec 2.2.1, strict ones included.
const CASES_OF_H2SPEC: usize = 146;

/// The cases of h2spec that we fail, each with the reason. `docs/grpc.md` repeats them.
///
/// http2/3.5, "Sends invalid connection preface": h2 reads 24 bytes, sees that they are no preface,
/// and the socket is closed with the rest unread. So the kernel resets the connection, where h2spec
/// waits for its orderly end. It is terminated either way, which is what RFC 9113, section 3.4 asks
/// for.
const WAIVED: [&str; 1] = ["Sends invalid connection preface"];

#[test]
fn every_case_of_h2spec_passes_but_for_those_waived() {
    let Some(h2spec) = peers::find("h2spec") else {
        return;
    };
    let server = TestServer::start();
    let mut command = Command::new(h2spec);
    command.args(["-h", "127.0.0.1", "-p", &server.address.port().to_string()]);
    // Strict: the cases that h2spec leaves out by default as well.
    let output = run(command.args(["--strict", "--timeout", "5"]));
    let parts = output.text.split_once("Failures:");
    let (cases, failures) = parts.unwrap_or((output.text.as_str(), ""));
    let failed: Vec<&str> = failures
        .lines()
        .filter_map(|line| line.trim().strip_prefix("× ")?.split_once(": "))
        .map(|(_, case)| case)
        .collect();
    let unexpected = failed.iter().any(|case| !WAIVED.contains(case));
    assert!(!unexpected, "{failed:?}\n{}", output.text);
    // A suite that did not run has no failures either.
    let passed = cases.matches('✔').count();
    assert_eq!(passed + failed.len(), CASES_OF_H2SPEC, "{}", output.text);
    assert!(output.text.contains(", 0 skipped,"), "{}", output.text);
}
