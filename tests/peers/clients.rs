//! Clients of others against the real binary: grpcurl, grpc-health-probe, Python's grpcio and
//! h2load.

use std::process::Command;

use process_wrapper::pb::process_wrapper::v1::{GetStateRequest, GetStateResponse, State};
use prost::Message;

use crate::support::client::{Client, GET_STATE};
use crate::support::{DRAINS, Wrapper, peers, start_ready};
use crate::{Output, run};

/// A wrapper on a unix socket and on TCP, and its `HOST:PORT`.
fn start() -> (Wrapper, String) {
    let wrapper = start_ready(&["--listen=tcp://127.0.0.1:0"], DRAINS);
    let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
    let address = line.split("tcp://").nth(1).unwrap().trim().to_owned();
    (wrapper, address)
}

#[test]
fn grpcurl_lists_describes_and_calls_without_proto_files() {
    let Some(program) = peers::find("grpcurl") else {
        return;
    };
    let (wrapper, tcp) = start();
    let socket = wrapper.socket().display().to_string();
    for target in [&["-unix", &socket][..], &[&tcp]] {
        let grpcurl = |options: &[&str], what: &[&str]| {
            let mut command = Command::new(&program);
            // Away from the sources: nothing but the server can describe itself.
            command.current_dir(wrapper.folder.path()).arg("-plaintext");
            let output = run(command.args(options).args(target).args(what));
            assert!(output.success, "{what:?}: {}", output.text);
            output.text
        };
        let list = grpcurl(&[], &["list"]);
        let services: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
        assert!(
            services.contains(&"process_wrapper.v1.ProcessWrapper"),
            "{list}"
        );
        for service in services {
            let methods = grpcurl(&[], &["list", service]);
            assert!(methods.contains(service), "{methods}");
            let text = grpcurl(&[], &["describe", service]);
            assert!(
                text.contains("is a service") && text.contains("rpc "),
                "{text}"
            );
        }
        // With the comments of the contract.
        let text = grpcurl(&[], &["describe", "process_wrapper.v1.State"]);
        assert!(text.contains("shutting_down = 2;"), "{text}");
        assert!(
            text.contains("// The process has exited and has been reaped."),
            "{text}"
        );
        let all = grpcurl(&[], &["describe"]);
        assert!(
            all.contains("process_wrapper.v1.ProcessWrapper is a service"),
            "{all}"
        );
        let answer = grpcurl(
            &["-d", r#"{"wait_until": "running"}"#],
            &["process_wrapper.v1.ProcessWrapper/GetState"],
        );
        assert!(answer.contains(r#""state": "running""#), "{answer}");
        let health = grpcurl(
            &["-d", r#"{"service": "process"}"#],
            &["grpc.health.v1.Health.Check"],
        );
        assert!(health.contains(r#""status": "SERVING""#), "{health}");
    }
}

#[test]
fn grpc_health_probe_agrees_with_the_state() {
    let Some(program) = peers::find("grpc-health-probe") else {
        return;
    };
    let (wrapper, tcp) = start();
    let probe = |target: &str, service: &str| -> Output {
        run(Command::new(&program).args(["-addr", target, "-service", service]))
    };
    let unix = wrapper.address();
    for target in [&unix, &tcp] {
        for service in ["", "process", "process_wrapper.v1.ProcessWrapper"] {
            let output = probe(target, service);
            assert!(output.success, "{service}: {}", output.text);
        }
        let output = probe(target, "nothing");
        assert!(
            !output.success && output.text.contains("NotFound"),
            "{}",
            output.text
        );
    }
    let client = Client::connect(&wrapper.address());
    client.shut_down();
    client.wait_until(State::Gone, None).unwrap();
    for target in [&unix, &tcp] {
        assert!(probe(target, "").success);
        let output = probe(target, "process");
        assert!(!output.success, "{}", output.text);
        assert!(output.text.contains("NOT_SERVING"), "{}", output.text);
    }
}

#[test]
fn python_drives_a_drain_over_tcp_and_over_a_unix_socket_without_any_option() {
    let Some(python) = peers::python("grpc") else {
        return;
    };
    let script = peers::source("python/client.py");
    for unix in [true, false] {
        let (wrapper, tcp) = start();
        let target = if unix { wrapper.address() } else { tcp };
        let output = run(Command::new(&python).arg(&script).arg(&target));
        assert!(output.success, "{target}: {}", output.text);
        assert!(output.text.contains("all is well"), "{}", output.text);
        assert!(wrapper.stdout.text().contains("draining"));
    }
}

#[test]
fn an_honest_client_at_full_speed_is_never_throttled() {
    let Some(program) = peers::find("h2load") else {
        return;
    };
    const CALLS: usize = 20_000;
    let (wrapper, tcp) = start();
    let body = wrapper.folder.path().join("body");
    let message = GetStateRequest::default().encode_to_vec();
    let prefix = [0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    std::fs::write(&body, [&prefix[..], &message].concat()).unwrap();

    let mut command = Command::new(program);
    // As many calls at once as the settings allow, on eight connections.
    command.args(["-n", &CALLS.to_string(), "-c", "8", "-m", "64", "-d"]);
    command.arg(&body);
    for header in ["content-type: application/grpc", "te: trailers"] {
        command.args(["-H", header]);
    }
    let output = run(command.arg(format!("http://{tcp}{GET_STATE}")));
    let expected = format!("{CALLS} succeeded, 0 failed, 0 errored, 0 timeout");
    assert!(output.text.contains(&expected), "{}", output.text);
    // h2load does not look at the status of gRPC, but a call that fails has no body.
    let answer = GetStateResponse {
        process: Some(Client::connect(&wrapper.address()).get_state()),
    };
    let data = format!("({}) data", CALLS * (5 + answer.encoded_len()));
    assert!(output.text.contains(&data), "{data}: {}", output.text);
}
