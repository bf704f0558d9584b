//! The roles of listeners.

use std::process::Command;

use process_wrapper::address::Address;
use process_wrapper::grpc::client::{CallOptions, handshake};
use process_wrapper::grpc::{Code, Limits};
use process_wrapper::net::connect::connect;
use smol::future::or;
use tempfile::TempDir;

use crate::call::{GET_STATE, HEALTH, INITIATE, Outcome, REFLECTION, probe};
use crate::support::{DRAINS, Wrapper, setup_with, start_ready};

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
fn grpcurl_gets_the_role_of_the_listener_in_the_error() {
    let Some(grpcurl) = crate::support::peers::find("grpcurl") else {
        return;
    };
    let (_wrapper, _folder, [_, read, health]) = start();
    let call = |address: &str, method: &str| {
        let output = Command::new(&grpcurl)
            .args(["-plaintext", "-unix", "-import-path", "proto"])
            .args([
                "-proto",
                "process_wrapper/v1/process_wrapper.proto",
                "-max-time",
                "10",
            ])
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

/// A health watch that stays open, on a connection of its own.
pub(crate) async fn watch(address: &Address) -> Option<impl Sized + use<>> {
    let stream = connect(address).await.ok()?;
    let limits = Limits::default();
    let (channel, mut connection) = handshake(stream, "localhost", &limits).await.ok()?;
    let answered = async {
        let path = "/grpc.health.v1.Health/Watch";
        let opened = channel.open(path, CallOptions::default()).await;
        let (mut requests, mut responses) = opened.ok()?;
        requests.send(&()).await.ok()?;
        requests.finish().await;
        responses.receive::<()>().await.ok()?;
        Some(responses)
    };
    let driven = async {
        let _ = (&mut connection).await;
        None
    };
    let responses = or(driven, answered).await?;
    Some((channel, connection, responses))
}

#[test]
fn a_full_health_listener_does_not_block_the_control_listener() {
    let script = "ulimit -n 256; exec \"$0\" \"$@\"";
    let wrapper = setup_with(|command, folder| {
        *command = Command::new("sh");
        command.arg("-c").arg(script).arg(crate::support::binary());
        command.env_remove("PROCESS_WRAPPER_ADDRESS");
        let socket = folder.join("control.sock");
        command.arg("run").arg("--listen");
        command.arg(format!("unix:{}", socket.display()));
        command.arg("--listen=health=tcp://127.0.0.1:0");
        command.args(["--", "sh", "-c", DRAINS]);
    });
    let wrapper = wrapper.start();
    wrapper.stdout.wait_for("ready");
    let line = wrapper.stderr.wait_for("role=health address=tcp");
    let health = line.split("address=").nth(1).unwrap().trim();
    let health: Address = health.parse().unwrap();
    // More than the limit: from then on each displaces another.
    let hoard = smol::block_on(async {
        let mut hoard = Vec::new();
        for _ in 0..400 {
            match watch(&health).await {
                Some(kept) => hoard.push(kept),
                None => break,
            }
        }
        hoard
    });
    assert!(hoard.len() >= 50, "{}", hoard.len());
    let admitted = Outcome::Admitted;
    assert_eq!(probe(&wrapper.address(), INITIATE, admitted), admitted);
    drop(hoard);
}
