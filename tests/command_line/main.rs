//! The command line of the binary: options from the environment, mistakes with what was meant, and
//! the texts that the program prints about itself, as shells and man(1) read them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod completions;
#[cfg(all(feature = "tls", feature = "webhooks", feature = "monitor"))]
mod mistakes;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use support::{DRAINS, binary, peers};

/// Runs the binary with these variables and no other of its own.
fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PROCESS_WRAPPER_") {
            command.env_remove(name);
        }
    }
    command
        .envs(variables.iter().copied())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_container_is_configured_by_variables_and_its_process_sees_none() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}/control.sock", folder.path().display());
    let all = format!("{socket}\nread={socket}.read");
    let output = run(
        &[
            ("PROCESS_WRAPPER_LISTEN", all.as_str()),
            ("PROCESS_WRAPPER_EXIT_WHEN_GONE", "always"),
            ("PROCESS_WRAPPER_LOG_FORMAT", "json"),
            ("PROCESS_WRAPPER_LOG_LEVEL", "debug"),
            ("PROCESS_WRAPPER_WEBHOOK_FIEL", "/x"),
            ("PROCESS_WRAPPER_SERVICE_HOST", "10.0.0.1"),
            ("PROCESS_WRAPPER_PORT", "tcp://10.0.0.1:7777"),
        ],
        &["run", "--log-level", "info", "--", "env"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!stdout(&output).contains("PROCESS_WRAPPER_"), "{output:?}");
    let log = stderr(&output);
    for address in [socket.as_str(), &format!("{socket}.read")] {
        let address = address.replace("unix:", "unix://");
        assert!(log.contains(&format!("\"{address}\"")), "{address}: {log}");
    }
    assert!(!log.contains("\"DEBUG\""), "the command line wins: {log}");
    let warned: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    if cfg!(feature = "webhooks") {
        assert_eq!(warned.len(), 1, "{log}");
        assert!(warned[0].contains("PROCESS_WRAPPER_WEBHOOK_FIEL is no variable"));
        assert!(warned[0].contains("PROCESS_WRAPPER_WEBHOOK_FILE is"));
    }
}

#[test]
fn the_settings_of_a_container_do_not_reach_its_client_commands() {
    let wrapper = support::setup(&[], &["sh", "-c", DRAINS]).start();
    wrapper.stdout.wait_for("ready");
    let address = wrapper.address();
    let container = [
        ("PROCESS_WRAPPER_ADDRESS", address.as_str()),
        ("PROCESS_WRAPPER_TOKEN_FILE", "/no/such/file"),
        ("PROCESS_WRAPPER_FORCE_AFTER", "0s"),
        ("PROCESS_WRAPPER_TLS_CERT", "/no/such/file"),
    ];
    let output = run(&container, &["status", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("\"running\""));
    let own = [("PROCESS_WRAPPER_CLIENT_TOKEN_FILE", "/no/such/file")];
    let output = run(&[&container[..], &own].concat(), &["status"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let waits = [("PROCESS_WRAPPER_CLIENT_WAIT", "true")];
    let output = run(&[&container[..], &waits].concat(), &["shutdown"]);
    // The process ends with code 3.
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(!stdout(&output).contains("TERM"), "{output:?}");
}

#[test]
fn several_addresses_of_the_variable_are_called_by_clients_alone() {
    let two = [("PROCESS_WRAPPER_ADDRESS", "unix:/no/a\nunix:/no/b")];
    let output = run(&two, &["status", "--connect-timeout", "100ms"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    for address in ["unix:///no/a", "unix:///no/b"] {
        let told = stdout(&output) + &stderr(&output);
        assert!(told.contains(address), "{output:?}");
    }
    let output = run(&two, &["run", "--", "true"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        stderr(&output).contains("PROCESS_WRAPPER_ADDRESS"),
        "{output:?}"
    );
}

#[test]
fn an_error_names_the_variable_it_comes_from() {
    for (variable, command, words) in [
        (
            ("PROCESS_WRAPPER_FORCE_AFTER", "5"),
            "run",
            "--force-after comes from PROCESS_WRAPPER_FORCE_AFTER",
        ),
        (
            ("PROCESS_WRAPPER_READY_WITHIN", "5s"),
            "run",
            "--ready-within comes from PROCESS_WRAPPER_READY_WITHIN",
        ),
        (
            ("PROCESS_WRAPPER_INSECURE", "perhaps"),
            "run",
            "PROCESS_WRAPPER_INSECURE is \"perhaps\"; write true or false",
        ),
        (
            ("PROCESS_WRAPPER_STRICT", "yes"),
            "wrapper",
            "PROCESS_WRAPPER_STRICT is \"yes\"; write true or false",
        ),
        (
            ("PROCESS_WRAPPER_ADDRESS", "ftp://x"),
            "status",
            "--address comes from PROCESS_WRAPPER_ADDRESS",
        ),
        (
            ("PROCESS_WRAPPER_CLIENT_TIMEOUT", "0s"),
            "wait",
            "--timeout comes from PROCESS_WRAPPER_CLIENT_TIMEOUT",
        ),
    ] {
        let output = run(&[variable], &[command]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = stderr(&output);
        assert!(text.contains(words), "{words:?} is not in: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_mistake_is_told_with_what_was_probably_meant() {
    for (line, words) in [
        ("run sleep 1", "process-wrapper run -- sleep"),
        ("rnu -- true", "did you mean run?"),
        ("stauts", "did you mean status?"),
        ("sleep 1", "process-wrapper run -- sleep"),
        ("run --lisen unix:/x -- true", "did you mean --listen?"),
        ("shutdown --wiat", "did you mean --wait?"),
        ("shutdown --frobnicate", "process-wrapper shutdown --help"),
        ("--listen unix:/x run", "process-wrapper run --listen"),
        ("run --listen=frob:/x -- true", "process-wrapper run --help"),
        ("status now", "unrecognized argument \"now\""),
        ("status -- true", "only `run` and `wrapper`"),
        ("help frob", "no command is named \"frob\""),
        ("completions tcsh", "write bash, zsh or fish"),
        ("completions", "shell"),
        ("man frob", "no command is named \"frob\"; see"),
        ("", "name run"),
    ] {
        let arguments: Vec<_> = line.split_whitespace().collect();
        let output = run(&[], &arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert!(text.contains(words), "{line}: {words:?} is not in: {text}");
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        assert!(text.contains("process-wrapper "), "{line}: {text}");
    }
}

#[test]
fn help_and_version_have_the_forms_that_people_try() {
    let long = stdout(&run(&[], &["run", "--help"]));
    for form in [
        &["help", "run"][..],
        &["--help", "run"],
        &["run", "--listen", "--x", "--help"],
    ] {
        assert_eq!(stdout(&run(&[], form)), long, "{form:?}");
    }
    let top = stdout(&run(&[], &["--help"]));
    assert_eq!(stdout(&run(&[], &["help"])), top);
    assert_eq!(stdout(&run(&[], &["help", "help"])), top);
    let man = stdout(&run(&[], &["man", "help"]));
    assert_eq!(man, stdout(&run(&[], &["man", "--help"])));
    let short = stdout(&run(&[], &["run", "-h"]));
    assert!(short.lines().count() < long.lines().count(), "{short}");
    let line = format!("process-wrapper {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&run(&[], &["-V"])), line);
    let full = stdout(&run(&[], &["--version"]));
    assert_eq!(stdout(&run(&[], &["version"])), full);
    assert!(full.starts_with(&line), "{full}");
    let json = stdout(&run(&[], &["version", "--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for name in ["commit", "target", "libc", "profile"] {
        let value = json[name].as_str().unwrap_or("unknown");
        assert!(
            full.contains(&format!("\n{name}: {value}\n")),
            "{name}: {full}"
        );
    }
    support::schema::assert_valid("version.json", &json);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let features: Vec<_> = json["features"].as_array().unwrap().iter().collect();
    assert_eq!(
        features.contains(&&"webhooks".into()),
        cfg!(feature = "webhooks")
    );
}

/// The linter's lines about style are about the width of the source.
#[test]
fn every_manual_page_passes_the_linter() {
    let Some(mandoc) = peers::find("mandoc") else {
        return;
    };
    let pages = [
        "",
        "run",
        "wrapper",
        "status",
        "shutdown",
        "wait",
        "events",
        "probe",
        #[cfg(feature = "webhooks")]
        "webhooks",
        "version",
        "completions",
        "man",
    ];
    for command in pages {
        let arguments: Vec<_> = ["man", command]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let page = run(&[], &arguments).stdout;
        let mut lint = Command::new(&mandoc)
            .args(["-T", "lint", "-W", "warning"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        lint.stdin.take().unwrap().write_all(&page).unwrap();
        let output = lint.wait_with_output().unwrap();
        assert!(output.status.success(), "{command}: {}", stdout(&output));
        let text = String::from_utf8(page).unwrap();
        assert!(text.contains(".SH SYNOPSIS\nprocess\\-wrapper"), "{text}");
    }
}
