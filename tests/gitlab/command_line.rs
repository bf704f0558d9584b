//! `process-wrapper wrapper` takes GitLab's own command line.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::support::client::Client;
use super::*;

/// The port that the kernel chose, from the log.
pub(super) fn tcp_address(wrapper: &Wrapper) -> String {
    let line = wrapper.stderr.wait_for("listening");
    let at = line.find("tcp://").unwrap();
    let end = line[at..].find(|c: char| c.is_whitespace() || c == '"');
    line[at..end.map_or(line.len(), |end| at + end)].to_owned()
}

#[test]
fn arguments_are_given_to_the_gitlab_runner_on_path() {
    let mut wrapper = support::setup_with(|command, folder| {
        runner(folder, "echo \"$0 $*\"; exit 3");
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", folder.display()));
        let listen = format!("--grpc-listen=unix://{}/control.sock", folder.display());
        command.args(["wrapper", &listen, "--process-termination-timeout=1m30s"]);
        command.args(["--", "run", "--config", "a=b", "--", "-x"]);
    })
    .start();
    let line = wrapper.stdout.wait_for("gitlab-runner");
    assert!(
        line.ends_with("/gitlab-runner run --config a=b -- -x"),
        "{line}"
    );
    let client = Client::connect(&wrapper.address());
    assert_eq!(wait_terminated(&client), "exit status 3");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 3);
}

#[test]
fn every_interface_is_served_with_a_loud_warning() {
    let wrapper = support::setup_with(|command, folder| {
        command.args(["wrapper", "-grpc-listen", "tcp://0.0.0.0:0"]);
        command.args(["-process-termination-timeout", "3h", "--runner-path"]);
        command.arg(runner(folder, RUNNER)).args(["--", "run"]);
    })
    .start();
    let warning = wrapper.stderr.wait_for("CAN STOP THE RUNNER");
    assert!(
        warning.contains("WARN") && warning.contains("tcp://0.0.0.0"),
        "{warning}"
    );
    let address = tcp_address(&wrapper).replace("0.0.0.0", "127.0.0.1");
    let client = Client::connect(&address);
    wrapper.stdout.wait_for("ready");
    assert_eq!(check(&client).0, pb::Status::Running);
}

#[test]
fn an_unsupported_option_is_exit_code_2_with_advice_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let path = runner(folder.path(), &format!("touch {}", mark.display()));
    for (options, words) in [
        (
            &["--strict", "--grpc-listen", "tcp://0.0.0.0:0"][..],
            &["--strict", "tcp://0.0.0.0:0"][..],
        ),
        (
            &["--config", "/etc/config.toml"],
            &["--config", "after `--`"],
        ),
        (&["--process-termination-timeout", "-1s"], &["negative"]),
        (&["--process-termination-timeout", "10"], &["unit", "1m30s"]),
        (&["--grpc-listen", "http://localhost:7777"], &["tcp://"]),
        (&["--grpc-listen", "localhost:7777"], &["tcp://"]),
    ] {
        let output = Command::new(support::binary())
            .arg("wrapper")
            .args(options)
            .arg("--runner-path")
            .arg(&path)
            .args(["--", "run"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
    }
    assert!(!mark.exists(), "a process was started");
}

/// `--insecure` is an option of `run`.
#[test]
fn strict_refuses_a_replaceable_socket_and_names_only_its_own_options() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    let output = Command::new(support::binary())
        .args(["wrapper", "--strict", "--grpc-listen"])
        .arg(format!("unix://{}/s", open.display()))
        .args(["--runner-path", "true"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("without --strict"), "{stderr}");
    assert!(!stderr.contains("--insecure"), "{stderr}");
}

#[test]
fn forgotten_dashes_are_answered_with_the_line_to_type() {
    let output = Command::new(support::binary())
        .args(["--log-level", "warning", "wrapper"])
        .args(["-grpc-listen=tcp://:7777", "run", "--config=/etc/a b.toml"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let line = "process-wrapper wrapper --log-level warn --grpc-listen tcp://:7777 -- run \
                --config '/etc/a b.toml'";
    assert!(stderr.contains(line), "{stderr}");
}

#[test]
fn the_global_options_and_variables_of_gitlab_runner_set_the_log() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        bool,
        bool,
    );
    let cases: [Case; 5] = [
        (&["--log-level", "debug", "wrapper"], &[], true, false),
        (
            &["--debug", "--log-format", "json", "wrapper"],
            &[],
            true,
            true,
        ),
        (
            &["-l", "warning", "wrapper"],
            &[("LOG_FORMAT", "json")],
            false,
            true,
        ),
        (&["wrapper"], &[("LOG_LEVEL", "debug")], true, false),
        (
            &["wrapper"],
            &[("RUNNER_DEBUG", "true"), ("LOG_FORMAT", "json")],
            true,
            true,
        ),
    ];
    for (start, variables, is_debug, is_json) in cases {
        let wrapper = support::setup_with(|command, folder| {
            for name in ["LOG_LEVEL", "LOG_FORMAT", "RUNNER_DEBUG"] {
                command.env_remove(name);
            }
            command.envs(variables.iter().copied());
            let listen = format!("unix:{}/control.sock", folder.display());
            command.args(start).args(["-grpc-listen", &listen]);
            command.arg("--runner-path").arg(runner(folder, RUNNER));
            // A warning at every level.
            command.args(["--process-termination-timeout", "1h"]);
            command.args(["--rewrite-signal", "TERM:QUIT", "--", "run"]);
        })
        .start();
        let client = Client::connect(&wrapper.address());
        wrapper.stdout.wait_for("ready");
        assert_eq!(check(&client).0, pb::Status::Running);
        let line = wrapper.stderr.wait_for("--process-termination-timeout");
        assert_eq!(line.starts_with('{'), is_json, "{start:?}: {line}");
        if is_debug {
            wrapper.stderr.wait_for("state read");
        } else {
            assert!(!wrapper.stderr.text().contains("started"), "{start:?}");
        }
    }
}

#[test]
fn a_missing_runner_is_exit_code_127() {
    let mut wrapper = support::setup_with(|command, folder| {
        let listen = format!("unix:{}/control.sock", folder.display());
        command.args(["wrapper", "--grpc-listen", &listen]);
        command.args(["--runner-path", "no-such-runner", "--", "run"]);
    })
    .start();
    assert_eq!(wrapper.code(), 127);
    assert!(wrapper.stderr.all().contains("no-such-runner"));
}

/// Words that a shell would make of the line.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_command_lines_of_the_migration_guide_are_understood() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let commands: Vec<Vec<String>> = guide
        .lines()
        // Indented blocks, the right side of tables, and ExecStart.
        .filter_map(|line| {
            let start = line
                .find("process-wrapper run ")
                .or_else(|| line.find("process-wrapper wrapper "))?;
            let end = line[start..]
                .find('`')
                .map_or(line.len(), |end| start + end);
            line[start..end]
                .contains(" -- ")
                .then(|| words(&line[start..end]))
        })
        .collect();
    // tests/packaging checks the manifests, to which the guide refers.
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        // What is wrong is said before the program is looked for, and that is all that may be
        // missing.
        let mut own: Vec<_> = command[1..]
            .iter()
            .take_while(|word| *word != "--")
            .collect();
        let (folder, not_there) = (tempfile::tempdir().unwrap(), "no-such-runner".to_owned());
        let socket = format!("unix:{}/control.sock", folder.path().display());
        let (listen, runner) = ("--listen".to_owned(), "--runner-path".to_owned());
        let is_wrapper = own[0] == "wrapper";
        if is_wrapper {
            own.extend([&runner, &not_there]);
        } else if !own.iter().any(|word| word.starts_with("--listen")) {
            own.extend([&listen, &socket]);
        }
        let own: Vec<String> = own
            .into_iter()
            .map(|word| {
                word.replace(
                    "unix:///run/",
                    &format!("unix://{}/", folder.path().display()),
                )
            })
            .map(|word| word.replace(":7777", ":0").replace(":8080", ":0"))
            .collect();
        let output = Command::new(support::binary())
            .args(&own)
            .args(["--", &not_there])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(127), "{own:?}: {said}");
    }
}
