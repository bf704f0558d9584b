//! Bad input: one clear line with what to do, the documented exit code, and no process left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

#[path = "../support/mod.rs"]
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use support::binary;

fn run(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .env_remove("PROCESS_WRAPPER_ADDRESS")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

/// Asserts one line on stderr that holds the words, and the exit code.
fn assert_refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    let complaints: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("process-wrapper: "))
        .collect();
    assert_eq!(complaints.len(), 1, "{arguments:?}: {stderr}");
    for word in words {
        assert!(complaints[0].contains(word), "{word:?} is not in: {stderr}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_with_advice() {
    let touch = ["--", "touch"];
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started").display().to_string();
    for (options, words) in [
        (&["--frobnicate"][..], &["--frobnicate", "--help"][..]),
        (&["--listen"], &["--listen"]),
        (&["--listen", "tcp://127.0.0.1"], &["port"]),
        (&["--listen=ftp://x"], &["unix:", "tcp://"]),
        (&["--force-after", "5"], &["1h30m"]),
        (&["--graceful-signal=NOPE"], &["SIGTERM"]),
        (&["--rewrite-signal", "TERM"], &["TERM:QUIT"]),
        (&["--exit-when-gone", "maybe"], &["unrequested"]),
        (&["--max-connections", "many"], &["--max-connections"]),
        (&["--max-connections=-1"], &["--max-connections"]),
        (&["--max-connections=0"], &["at least 1"]),
        (
            &["--max-connections=99999999999"],
            &["LimitNOFILE", "at most"],
        ),
        (&["--idle-timeout=0s"], &["--idle-timeout", "1s"]),
        (&["--max-connection-age", "12"], &["1h30m"]),
        (
            &["--max-connection-age=10ms"],
            &["--max-connection-age", "1s"],
        ),
        (&["--log-format=xml"], &["json"]),
        (&["--log-level=loud"], &["debug"]),
        (&["stray"], &["stray"]),
    ] {
        let arguments = [&["run"], options, &touch, &[mark.as_str()]].concat();
        assert_refused(&arguments, 2, words);
    }
    assert_refused(&[], 2, &["run"]);
    assert_refused(&["frob"], 2, &["frob"]);
    assert!(!Path::new(&mark).exists(), "a process was started");
}

#[test]
fn an_address_that_cannot_be_used_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started").display().to_string();
    let nowhere = format!("unix:{}/no/such/folder.sock", folder.path().display());
    assert_refused(
        &["run", "--listen", &nowhere, "--", "touch", &mark],
        2,
        &["no/such"],
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("tcp://{}", listener.local_addr().unwrap());
    assert_refused(
        &["run", "--listen", &taken, "--", "touch", &mark],
        1,
        &["in use"],
    );

    let wrapper = support::start_ready(&[], support::DRAINS);
    let address = wrapper.address();
    assert_refused(
        &["run", "--listen", &address, "--", "touch", &mark],
        1,
        &["in use"],
    );
    assert!(!Path::new(&mark).exists(), "a process was started");
    // The existing file is untouched.
    support::client::Client::connect(&address).get_state();
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("--listen=unix:{}/s", folder.path().display());
    for command in ["no-such-command-anywhere", "/no/such/file", ""] {
        assert_refused(&["run", &listen, "--", command], 127, &["not found"]);
    }
    assert!(
        !folder.path().join("s").exists(),
        "the socket file is left behind"
    );
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("--listen=unix:{}/s", folder.path().display());
    let file = |name: &str, content: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let plain = file("plain", "#!/bin/sh\n", 0o644);
    let bad = file("bad", "#!/no/such/interpreter\n", 0o755);
    assert_refused(&["run", &listen, "--", &plain], 126, &["chmod"]);
    assert_refused(&["run", &listen, "--", "/tmp"], 126, &["directory"]);
    assert_refused(&["run", &listen, "--", &bad], 126, &["interpreter"]);
}

#[test]
fn help_goes_to_stdout() {
    let help = run(&["run", "--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for option in [
        "--listen",
        "--graceful-signal",
        "--force-after",
        "--kill-after",
        "--exit-when-gone",
    ] {
        assert!(text.contains(option), "{option} is not in: {text}");
    }
}
