//! Our own client commands: the credentials that they send and the servers that they trust.

use std::process::{Command, Output};

use process_wrapper::client::{Client, Code, Error, Identity};

use crate::certificates::{Authority, SERVER, options};
use crate::support::binary;
use crate::tls::start;
use crate::tokens::{TOKEN, token_file};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = Command::new(binary())
        .args(arguments)
        .env_remove("PROCESS_WRAPPER_ADDRESS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_drain_is_requested_over_mutual_tls_with_a_token() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let token = token_file(folder.path(), TOKEN);
    let mut server = options(&authority.sign("server", &[SERVER, "127.0.0.1"]));
    server.push(format!("--tls-client-ca={}", authority.path().display()));
    server.push(format!("--token-file={}", token.display()));
    server.push("--token-tcp-only".to_owned());
    let (wrapper, address) = start(&server);
    let own = authority.sign("client", &["drain.example"]);
    let text = |path: &std::path::Path| path.display().to_string();
    let (ca, certificate, key) = (
        text(&authority.path()),
        text(&own.certificate),
        text(&own.key),
    );
    let token = text(&token);
    let trust = ["--address", &address, "--tls-ca", &ca];
    let show = ["--tls-cert", &certificate, "--tls-key", &key];
    let with = |command: &str, parts: &[&[&str]]| {
        run(&[
            &[command, "--connect-timeout=1s"],
            parts.concat().as_slice(),
        ]
        .concat())
    };

    for command in ["status", "probe"] {
        let (code, said) = with(command, &[&trust, &show, &["--token-file", &token]]);
        assert_eq!(code, Some(0), "{command}: {said}");
    }
    // By another name, and by the one in the certificate.
    for (name, code) in [(SERVER, 0), ("else.example", 4)] {
        let name = ["--server-name", name, "--token-file", &token];
        let (found, said) = with("status", &[&trust, &show, &name]);
        assert_eq!(found, Some(code), "{said}");
    }
    // Without one of them.
    let (code, said) = with("status", &[&trust, &show]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a token is needed"), "{said}");
    assert!(said.contains("--token-file"), "{said}");
    let (code, said) = with("status", &[&trust, &["--token-file", &token]]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("after the TLS handshake") && said.contains("--tls-cert"),
        "{said}"
    );
    let (code, said) = with("status", &[&trust[..2], &["--token-file", &token]]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("--tls-ca"), "{said}");
    let stranger = text(&Authority::new().path());
    let (code, _) = with("status", &[&trust[..2], &["--tls-ca", &stranger]]);
    assert_eq!(code, Some(2), "the stranger's folder is gone");

    let all = [&trust[..], &show, &["--token-file", &token, "--wait"]];
    let (code, said) = with("shutdown", &all);
    // The process exits with code 3 on request.
    assert_eq!(code, Some(5), "{said}");
    let line = wrapper.stderr.wait_for("outcome=done");
    assert!(line.contains(r#"as \"drain.example\""#), "{line}");
    assert!(!wrapper.stderr.text().contains(TOKEN));
}

#[test]
fn a_client_reads_its_token_again_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let token = token_file(folder.path(), TOKEN);
    let (_wrapper, address) = start(&[format!("--token-file={}", token.display())]);
    let ours = folder.path().join("ours");
    let client = Client::new(address.parse().unwrap()).identity(Identity::default().token(&ours));
    let refused = || match smol::block_on(client.state()) {
        Ok(_) => None,
        Err(Error::Refused { code, .. }) => Some(code),
        Err(error) => panic!("{error}"),
    };
    for (text, code) in [
        (TOKEN, None),
        ("a-token-in-no-token-file", Some(Code::Unauthenticated)),
        (TOKEN, None),
    ] {
        std::fs::write(&ours, text).unwrap();
        assert_eq!(refused(), code, "{text}");
    }
}

#[test]
fn tls_to_a_plaintext_port_is_named_and_not_retried() {
    let authority = Authority::new();
    let ca = authority.path();
    let (_wrapper, address) = start(&[]);
    let began = std::time::Instant::now();
    let (code, said) = run(&[
        "status",
        "--connect-timeout=1h",
        "--address",
        &address,
        "--tls-ca",
        ca.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("does not speak TLS"), "{said}");
    assert!(began.elapsed() < crate::support::DEADLINE);
}

#[test]
fn options_of_clients_without_effect_are_refused() {
    for (options, word) in [
        (&["--tls-cert=x", "--tls-key=y"][..], "--tls-ca"),
        (&["--tls-ca=x", "--tls-cert=y"], "--tls-key"),
        (&["--tls-ca=x", "--tls-key=y"], "--tls-cert"),
        (&["--server-name=x"], "--tls-ca"),
        (&["--tls-ca=/no/such/file"], "/no/such/file"),
        (&["--token-file=/no/such/file"], "/no/such/file"),
    ] {
        for command in ["status", "wait", "shutdown", "probe"] {
            let (code, said) = run(&[&[command, "--address=unix:/nowhere"], options].concat());
            assert_eq!(code, Some(2), "{command} {options:?}: {said}");
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}
