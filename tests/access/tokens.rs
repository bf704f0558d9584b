//! Bearer tokens: a call without one is refused, and guesses are throttled.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use http::HeaderMap;
use process_wrapper::address::Address;
use process_wrapper::grpc::Code;
use process_wrapper::grpc::client::CallOptions;
use process_wrapper::net::connect::connect;
use tempfile::TempDir;

use crate::call::{GET_STATE, HEALTH, INITIATE, Outcome, probe_beside, probe_many, probe_on};
use crate::support::http2::{END_STREAM, Head};
use crate::support::http2_peer::Peer;
use crate::support::{DRAINS, Wrapper, eventually, start_ready};

pub(crate) const TOKEN: &str = "correct-horse-battery-staple";
const OTHER: &str = "another-token-for-rotation";
const WRONG: &str = "wrong-token-of-good-length";

pub(crate) const ADMITTED: Outcome = Outcome::Admitted;
pub(crate) const UNKNOWN: Outcome = Outcome::Refused(Code::Unauthenticated);

/// A file with tokens that only we can read.
pub(crate) fn token_file(folder: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join("tokens");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    std::io::Write::write_all(&mut options.open(&path).unwrap(), text.as_bytes()).unwrap();
    path
}

/// The metadata of a call with these `authorization` headers.
pub(crate) fn with(values: &[&str]) -> CallOptions {
    let mut metadata = HeaderMap::new();
    for value in values {
        metadata.append("authorization", value.parse().unwrap());
    }
    CallOptions {
        metadata,
        ..CallOptions::default()
    }
}

pub(crate) fn bearer(token: &str) -> CallOptions {
    with(&[&format!("Bearer {token}")])
}

fn ask(address: &str, path: &str, options: CallOptions, expected: Outcome) -> Outcome {
    let address: Address = address.parse().unwrap();
    let stream = smol::block_on(connect(&address)).unwrap();
    probe_on(stream, path, options, expected)
}

pub(crate) fn start(options: &[&str]) -> (Wrapper, TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), TOKEN);
    let file = format!("--token-file={}", file.display());
    let options = [&["--listen=tcp://127.0.0.1:0", &file], options].concat();
    let wrapper = start_ready(&options, DRAINS);
    let line = wrapper.stderr.wait_for("address=tcp://127.0.0.1:");
    let tcp = line.split("address=").nth(1).unwrap().trim().to_owned();
    (wrapper, folder, tcp)
}

#[test]
fn a_call_without_a_good_token_is_refused_without_its_message() {
    let (wrapper, _folder, tcp) = start(&[]);
    let good = format!("Bearer {TOKEN}");
    let cases: [(&[&str], _); 7] = [
        (&[], UNKNOWN),
        (&["Bearer"], UNKNOWN),
        (&[&format!("Bearer {WRONG}")], UNKNOWN),
        (&[&format!("Basic {TOKEN}")], UNKNOWN),
        (&[&good, &good], UNKNOWN),
        (&[&good], ADMITTED),
        (&[&format!("bearer  {TOKEN}")], ADMITTED),
    ];
    // At once: answers to wrong tokens are delayed.
    std::thread::scope(|scope| {
        for address in [&wrapper.address(), &tcp] {
            for (values, expected) in cases {
                for method in [INITIATE, GET_STATE, HEALTH, "/no.Such/Method"] {
                    let expected = if method.starts_with("/no") && expected == ADMITTED {
                        Outcome::Refused(Code::Unimplemented)
                    } else {
                        expected
                    };
                    let address = address.clone();
                    scope.spawn(move || {
                        let found = ask(&address, method, with(values), expected);
                        assert_eq!(found, expected, "{address} {method} {values:?}");
                    });
                }
            }
        }
    });
    wrapper.stderr.wait_for("outcome=Unauthenticated");
    let said = wrapper.stderr.text();
    for secret in [TOKEN, WRONG] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(!said.contains("every user of this machine"), "{said}");
}

#[test]
fn token_checks_can_exempt_sockets_and_always_exempt_health() {
    let folder = tempfile::tempdir().unwrap();
    let health = format!("health=unix:{}/h", folder.path().display());
    let listen = format!("--listen={health}");
    let (wrapper, _folder, tcp) = start(&["--token-tcp-only", &listen]);
    let none = CallOptions::default;
    let unix = wrapper.address();
    assert_eq!(ask(&unix, INITIATE, none(), ADMITTED), ADMITTED);
    assert_eq!(ask(&tcp, GET_STATE, none(), UNKNOWN), UNKNOWN);
    let health = health.trim_start_matches("health=");
    assert_eq!(ask(health, HEALTH, none(), ADMITTED), ADMITTED);
    let denied = Outcome::Refused(Code::PermissionDenied);
    assert_eq!(ask(health, GET_STATE, bearer(TOKEN), denied), denied);
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_is_not_taken_over() {
    let (wrapper, folder, tcp) = start(&[]);
    let accepts = |token: &str| {
        // A refusal distinguishes the tokens as well as an admission does.
        let expected = ADMITTED;
        ask(&tcp, GET_STATE, bearer(token), expected) == ADMITTED
    };
    assert!(accepts(TOKEN) && !accepts(OTHER));
    // Both while rotating.
    token_file(folder.path(), &format!("{TOKEN}\n{OTHER}\n"));
    eventually("the new token is good", || accepts(OTHER));
    assert!(accepts(TOKEN));
    // The new file replaces the old one through a link, as in Kubernetes.
    std::fs::write(folder.path().join("next"), OTHER).unwrap();
    std::os::unix::fs::symlink("next", folder.path().join("link")).unwrap();
    std::fs::rename(folder.path().join("link"), folder.path().join("tokens")).unwrap();
    eventually("the old token is bad", || !accepts(TOKEN));
    assert!(accepts(OTHER));
    std::fs::write(folder.path().join("next"), "short").unwrap();
    let line = wrapper
        .stderr
        .wait_for("reload failed; the previous contents stay in force");
    assert!(line.contains("line 1") && !line.contains("short"), "{line}");
    assert!(accepts(OTHER));
}

#[test]
fn wrong_tokens_are_throttled_and_good_ones_answered_at_once() {
    let (wrapper, _folder, tcp) = start(&[]);
    let address: Address = tcp.parse().unwrap();
    let stream = || smol::block_on(connect(&address)).unwrap();
    // After a few guesses the connection closes, for a good token as well.
    let mut calls = vec![bearer(WRONG); 5];
    calls.push(bearer(TOKEN));
    let mut expected = vec![UNKNOWN; 5];
    expected.push(Outcome::Closed);
    assert_eq!(probe_many(stream(), GET_STATE, calls), expected);
    // Others are not held up.
    let started = Instant::now();
    assert_eq!(
        probe_on(stream(), GET_STATE, bearer(TOKEN), ADMITTED),
        ADMITTED
    );
    let good = started.elapsed();
    // A guesser has one guess on each connection, and the delay doubles from 100 ms.
    let started = Instant::now();
    for _ in 0..4 {
        let calls = vec![bearer(WRONG); 2];
        let expected = vec![UNKNOWN, Outcome::Closed];
        assert_eq!(probe_many(stream(), GET_STATE, calls), expected);
    }
    let wrong = started.elapsed();
    assert!(wrong.as_millis() >= 800, "{wrong:?}");
    assert!(good < wrong, "{good:?} {wrong:?}");
    // The log is not flooded.
    let lines = wrapper.stderr.text().matches("audit: call refused").count();
    assert!((1..=24).contains(&lines), "{lines}");
}

/// A proxy calls for all of its clients on one connection.
#[test]
fn a_wrong_token_fails_no_good_call_of_the_same_connection() {
    let (_wrapper, _folder, tcp) = start(&[]);
    let address: Address = tcp.parse().unwrap();
    let stream = || smol::block_on(connect(&address)).unwrap();
    // The next wrong one is delayed by 1.6 s.
    for _ in 0..9 {
        assert_eq!(
            probe_on(stream(), GET_STATE, bearer(WRONG), UNKNOWN),
            UNKNOWN
        );
    }
    let good = vec![bearer(TOKEN); 3];
    let found = probe_beside(stream(), GET_STATE, bearer(WRONG), good);
    assert_eq!(found, (UNKNOWN, vec![ADMITTED; 3]));
}

#[test]
fn a_flood_of_refusals_does_not_flood_the_log() {
    let (wrapper, _folder, _) = start(&[]);
    let started = Instant::now();
    let head = Head::of(GET_STATE).with("authorization", "Bearer wrong-token-of-good-length");
    // None waits for its answer, which is delayed.
    let _guesses: Vec<_> = (0..42)
        .map(|_| {
            let mut peer = Peer::connect(&wrapper);
            assert!(peer.send(&head.frame(1, END_STREAM)));
            peer
        })
        .collect();
    wrapper.stderr.wait_for_nth("audit: call refused", 20);
    let lines = wrapper.stderr.text().matches("audit: call refused").count();
    let allowed = 20 + usize::try_from(started.elapsed().as_secs()).unwrap() + 1;
    assert!(lines <= allowed, "{lines} lines for 42 refusals");
}

#[test]
fn a_secret_that_every_user_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), TOKEN);
    let option = format!("--token-file={}", file.display());
    for (mode, warned) in [(0o604, true), (0o640, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let wrapper = start_ready(&[&option], DRAINS);
        // Comes after it.
        wrapper.stderr.wait_for("listening");
        let said = wrapper.stderr.text();
        let found = said.contains("every user of this machine can read this secret");
        assert_eq!(found, warned, "{mode:o}: {said}");
    }
}

#[test]
fn grpcurl_needs_the_token() {
    let Some(grpcurl) = crate::support::peers::find("grpcurl") else {
        return;
    };
    let (_wrapper, _folder, tcp) = start(&[]);
    let call = |header: Option<&str>| {
        let mut command = Command::new(&grpcurl);
        command.args(["-plaintext", "-import-path", "proto", "-max-time", "10"]);
        command.args(["-proto", "process_wrapper/v1/process_wrapper.proto"]);
        if let Some(header) = header {
            command.args(["-rpc-header", header]);
        }
        command.arg(tcp.trim_start_matches("tcp://"));
        command.arg("process_wrapper.v1.ProcessWrapper/GetState");
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let good = call(Some(&format!("authorization: Bearer {TOKEN}")));
    assert!(good.contains("\"state\": \"running\""), "{good}");
    for header in [
        None,
        Some("authorization: Bearer wrong-token-of-good-length"),
    ] {
        let refused = call(header);
        assert!(refused.contains("Unauthenticated"), "{refused}");
    }
}
