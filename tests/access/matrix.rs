//! Every listener × every identity × every method, in one table.
//!
//! The expected outcome is derived here from three facts about each row, not from the code under
//! test: may the connection be, is the token good, is the method within the role.

use std::collections::BTreeMap;

use process_wrapper::address::Address;
use process_wrapper::grpc::Code;
use process_wrapper::grpc::client::CallOptions;
use process_wrapper::net::connect::connect;
use process_wrapper::net::tls::ClientTls;

use crate::call::{GET_STATE, HEALTH, INITIATE, Outcome, REFLECTION, probe_on};
use crate::certificates::{Authority, SERVER, options};
use crate::sockets::start;
use crate::support::Wrapper;
use crate::tls::ask_with;
use crate::tokens::{TOKEN, token_file, with};
use crate::user::{JOB, as_user, is_root};

/// The methods, and the least role that holds each.
const METHODS: &[(&str, &str)] = &[
    (INITIATE, "control"),
    (
        "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitGracefulShutdown",
        "control",
    ),
    (
        "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/InitForcefulShutdown",
        "control",
    ),
    (
        "/gitlab_com.gitlab_runner.runner_wrapper.ProcessWrapper/CheckStatus",
        "read",
    ),
    (GET_STATE, "read"),
    (REFLECTION, "read"),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "read",
    ),
    (HEALTH, "health"),
    ("/grpc.health.v1.Health/List", "health"),
    // No such method: a caller with the full role may learn that.
    ("/no.Such/Method", "unknown"),
];

/// The `authorization` of a call, and whether it is good.
fn tokens() -> [(Vec<String>, bool); 3] {
    [
        (Vec::new(), false),
        (vec!["Bearer wrong-token-of-good-length".to_owned()], false),
        (vec![format!("Bearer {TOKEN}")], true),
    ]
}

fn call(authorization: &[String]) -> CallOptions {
    let values: Vec<&str> = authorization.iter().map(String::as_str).collect();
    with(&values)
}

/// The expected outcome of a call.
fn expected(role: &str, connects: bool, good_token: bool, least: &str) -> Outcome {
    if !connects {
        return Outcome::Closed;
    }
    if role != "health" && !good_token {
        return Outcome::Refused(Code::Unauthenticated);
    }
    let within = match role {
        "control" => true,
        "read" => ["read", "health"].contains(&least),
        _ => least == "health",
    };
    if !within {
        Outcome::Refused(Code::PermissionDenied)
    } else if least == "unknown" {
        Outcome::Refused(Code::Unimplemented)
    } else {
        Outcome::Admitted
    }
}

/// The addresses of the listeners by their roles, unix or tcp.
fn listeners(wrapper: &Wrapper, kind: &str) -> BTreeMap<&'static str, String> {
    let address = |role: &'static str| {
        let line = wrapper
            .stderr
            .wait_for(&format!("listening role={role} address={kind}:"));
        let address = line.split("address=").nth(1).unwrap().trim().to_owned();
        (role, address)
    };
    ["control", "read", "health"].map(address).into()
}

fn ask(address: &str, path: &str, options: CallOptions, expected: Outcome) -> Outcome {
    let address: Address = address.parse().unwrap();
    match smol::block_on(connect(&address)) {
        Ok(stream) => probe_on(stream, path, options, expected),
        Err(_) => Outcome::Closed,
    }
}

/// The callers over tcp.
enum Caller<'a> {
    Plaintext,
    Tls(&'a ClientTls),
}

#[test]
fn every_listener_identity_and_method_has_its_expected_outcome() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut all = options(&authority.sign("server", &[SERVER]));
    all.extend([
        format!("--tls-client-ca={}", authority.path().display()),
        "--allow-san=drain.example".to_owned(),
        format!(
            "--token-file={}",
            token_file(folder.path(), TOKEN).display()
        ),
        format!("--listen=read=unix:{}/read", folder.path().display()),
        format!("--listen=health=unix:{}/health", folder.path().display()),
        "--listen=tcp://127.0.0.1:0".to_owned(),
        "--listen=read=tcp://127.0.0.1:0".to_owned(),
        "--listen=health=tcp://127.0.0.1:0".to_owned(),
        "--socket-mode=666".to_owned(),
        "--allow-uid=1000".to_owned(),
    ]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let wrapper = start(&all);

    let mut rows = 0;
    // At once: answers to wrong tokens are delayed.
    let mut check =
        |who: &str,
         role,
         connects,
         ask: &(dyn Fn(&str, CallOptions, Outcome) -> Outcome + Sync)| {
            std::thread::scope(|scope| {
                let mut asked = Vec::new();
                for (authorization, good) in tokens() {
                    for (path, least) in METHODS {
                        let expected = expected(role, connects, good, least);
                        let options = call(&authorization);
                        let found = scope.spawn(move || ask(path, options, expected));
                        let row = format!("{who} with {authorization:?} on {role} calls {path}");
                        asked.push((row, expected, found));
                    }
                }
                for (row, expected, found) in asked {
                    assert_eq!(found.join().unwrap(), expected, "{row}");
                    rows += 1;
                }
            });
        };
    let users: &[_] = if is_root() {
        &[((0, 0), true), ((1000, 1000), true), (JOB, false)]
    } else {
        &[]
    };
    for (role, address) in listeners(&wrapper, "unix") {
        for &(ids, connects) in users {
            check(
                &format!("{ids:?}"),
                role,
                connects,
                &|path, options, expected| as_user(ids, || ask(&address, path, options, expected)),
            );
        }
    }

    let client = |names: &[&str]| authority.client(Some(&authority.sign("client", names)));
    let (good, other) = (client(&["drain.example"]), client(&["other.example"]));
    let unknown = authority.client(None);
    let foreign = authority.client(Some(&stranger.sign("client", &["drain.example"])));
    let callers = [
        ("plaintext", Caller::Plaintext, false),
        ("no certificate", Caller::Tls(&unknown), false),
        ("a stranger's certificate", Caller::Tls(&foreign), false),
        ("another name", Caller::Tls(&other), false),
        ("the right certificate", Caller::Tls(&good), true),
    ];
    for (role, address) in listeners(&wrapper, "tcp") {
        for (who, caller, known) in &callers {
            // Health is plaintext for every caller and speaks no TLS.
            let connects = match caller {
                Caller::Plaintext => role == "health",
                Caller::Tls(_) => role != "health" && *known,
            };
            check(
                who,
                role,
                connects,
                &|path, options, expected| match caller {
                    Caller::Plaintext => ask(&address, path, options, expected),
                    Caller::Tls(tls) => ask_with(tls, &address, path, options, expected),
                },
            );
        }
    }
    let unix = 3 * users.len() * 3 * METHODS.len();
    assert_eq!(rows, unix + 3 * callers.len() * 3 * METHODS.len());
    // None of these calls had an effect.
    let said = wrapper.stderr.text();
    assert!(!said.contains("outcome=done"), "{said}");
}
