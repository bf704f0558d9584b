//! What each listener is for.

use std::process::Command;

use process_wrapper::grpc::Code;
use tempfile::TempDir;

use crate::call::{GET_STATE, HEALTH, INITIATE, Outcome, REFLECTION, probe};
use crate::support::{DRAINS, Wrapper, start_ready};

/// A wrapper with one listener of each role, and the folder of two of them.
fn start() -> (Wrapper, TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("unix:{}/{name}", folder.path().display());
    let (read, health) = (at("read"), at("health"));
    let options = [
        format!("--listen=read={read}"),
        format!("--listen=health={health}"),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let wrapper = start_ready(&options, DRAINS);
    let control = wrapper.address();
    (wrapper, folder, [control, read, health])
}

#[test]
fn a_call_beyond_the_role_is_refused_without_its_message() {
    let (wrapper, _folder, listeners) = start();
    let denied = Outcome::Refused(Code::PermissionDenied);
    let admitted = Outcome::Admitted;
    for (address, outcomes) in listeners.iter().zip([
        [admitted, admitted, admitted, admitted],
        [denied, admitted, admitted, admitted],
        [denied, denied, denied, admitted],
    ]) {
        for (method, expected) in [INITIATE, GET_STATE, REFLECTION, HEALTH]
            .into_iter()
            .zip(outcomes)
        {
            assert_eq!(
                probe(address, method, expected),
                expected,
                "{address} {method}"
            );
        }
    }
    let line = wrapper.stderr.wait_for("call refused");
    for word in [
        "WARN",
        "audit: call refused",
        "uid=",
        "listener=unix:",
        "InitiateGracefulShutdown",
        "PermissionDenied",
        "is for read; the call needs control",
    ] {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
    assert!(!wrapper.stderr.text().contains("outcome=done"));
}

#[test]
fn grpcurl_is_told_what_the_listener_is_for() {
    let Some(grpcurl) = crate::support::peers::find("grpcurl") else {
        return;
    };
    let (_wrapper, _folder, [_, read, health]) = start();
    let call = |address: &str, method: &str| {
        let output = Command::new(&grpcurl)
            .args(["-plaintext", "-unix", "-import-path", "proto"])
            .args(["-proto", "process_wrapper.proto", "-max-time", "10"])
            .args([address.trim_start_matches("unix:"), method])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let service = "process_wrapper.v1.ProcessWrapper";
    let state = format!("{service}/GetState");
    let shutdown = format!("{service}/InitiateGracefulShutdown");
    assert!(call(&read, &state).contains("\"state\": \"running\""));
    for said in [call(&read, &shutdown), call(&health, &state)] {
        assert!(said.contains("PermissionDenied"), "{said}");
    }
}
