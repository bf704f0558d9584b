//! The output and the exit code of each command.

use super::{FAILS, STAYS, SUCCEEDS, call, client};
use crate::support::{self, start_ready};

#[test]
fn each_command_prints_one_line_and_exits_0() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let address = wrapper.address();
    let on = |arguments: &[&str]| call(&[arguments, &["--address", &address]].concat());

    let pid = wrapper.child_pid();
    for (arguments, expected) in [
        (&["status"][..], format!("running: sh (pid {pid}) started ")),
        (
            &["wait", "--until", "running"],
            format!("running: sh (pid {pid}) started "),
        ),
        (
            &["probe", "--timeout=20s"],
            "SERVING: the wrapper\n".to_owned(),
        ),
        (
            &["probe", "--service=process", "--timeout=20s"],
            "SERVING: process\n".to_owned(),
        ),
        (
            &["shutdown"],
            format!("shutting_down: sh (pid {pid}) was asked to stop "),
        ),
        (
            &["wait"],
            format!("gone: sh (pid {pid}) exited with code 0 "),
        ),
        (
            &["shutdown", "--wait"],
            format!("gone: sh (pid {pid}) exited with code 0 "),
        ),
    ] {
        let said = on(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        assert!(
            said.stdout.starts_with(&expected),
            "{arguments:?}: {said:?}"
        );
        assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
        assert_eq!(said.stderr, "", "{arguments:?}");
    }
}

#[test]
fn a_process_that_failed_is_code_5_or_its_own() {
    let wrapper = start_ready(&[], FAILS);
    let address = wrapper.address();
    let on = |arguments: &[&str]| call(&[arguments, &["--address", &address]].concat());

    assert_eq!(on(&["shutdown", "--wait"]).code, 5);
    assert_eq!(on(&["shutdown", "--wait", "--propagate-exit"]).code, 3);
    assert_eq!(on(&["wait"]).code, 5);
    assert_eq!(on(&["wait", "--propagate-exit"]).code, 3);
    // These commands do not report a failed process.
    assert_eq!(on(&["status"]).code, 0);
    assert_eq!(on(&["shutdown"]).code, 0);
}

#[test]
fn deadlines_of_a_request_are_shown_and_kept() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let on = |arguments: &[&str]| call(&[arguments, &["--address", &address]].concat());

    let said = on(&["shutdown", "--force-after", "1h", "--kill-after", "1m"]);
    assert!(said.stdout.contains("abort in 59m"), "{said:?}");
    let said = on(&["shutdown", "--wait", "--timeout", "1s"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stderr.contains("still shutting_down"), "{said:?}");
    assert_eq!(on(&["probe", "--service=process", "--timeout=20s"]).code, 1);

    let now = ["--force-after=0s", "--kill-after=0s", "--propagate-exit"];
    let said = on(&[&["shutdown", "--wait"], &now[..]].concat());
    assert_eq!(said.code, 128 + 9, "{said:?}");
    assert!(said.stdout.contains("ended by SIGKILL"), "{said:?}");
}

#[test]
fn a_kill_deadline_that_no_abort_begins_is_a_warning() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let on = |arguments: &[&str]| call(&[arguments, &["--address", &address]].concat());
    let said = on(&["shutdown", "--kill-after=1h", "--output=json"]);
    assert_eq!(said.code, 0);
    assert!(said.json()["wrappers"][0]["process"]["kill_at"].is_null());
    let warning = said
        .stderr
        .strip_prefix("process-wrapper: unix://")
        .unwrap();
    assert!(warning.contains("Add --force-after"), "{said:?}");
    assert_eq!(warning.lines().count(), 1, "{said:?}");
    // It says so before it waits.
    let waits = ["shutdown", "--kill-after=1h", "--wait", "--timeout=1s"];
    let said = on(&waits);
    assert_eq!((said.code, said.stderr.lines().count()), (3, 2), "{said:?}");
    assert!(said.stderr.contains("Add --force-after"), "{said:?}");
    // With a deadline for the abort, now or from an earlier request, there is no warning.
    for arguments in [
        &["shutdown", "--kill-after=1h", "--force-after=1h"][..],
        &["shutdown", "--kill-after=1h"],
    ] {
        assert_eq!(on(arguments).stderr, "", "{arguments:?}");
    }
}

#[test]
fn json_output_has_the_documented_form() {
    let wrapper = start_ready(&[], FAILS);
    let address = wrapper.address();
    let on = |arguments: &[&str]| {
        let said = call(&[arguments, &["--output=json", "--address", &address]].concat());
        assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
        (said.json(), said.code)
    };
    let (json, code) = on(&["status"]);
    assert_eq!((json["exit_code"].as_i64(), code), (Some(0), 0));
    let told = &json["wrappers"][0];
    assert_eq!(
        told["address"],
        format!("unix://{}", wrapper.socket().display())
    );
    assert_eq!(
        (&told["outcome"], &told["error"]),
        (&"ok".into(), &().into())
    );
    let process = &told["process"];
    assert_eq!(process["state"], "running");
    assert_eq!(process["pid"], wrapper.child_pid());
    assert_eq!(process["exit_code"], serde_json::Value::Null);
    let started = process["started_at"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(started).is_ok(), "{started}");

    let (json, code) = on(&["shutdown", "--wait"]);
    assert_eq!((json["exit_code"].as_i64(), code), (Some(5), 5));
    let told = &json["wrappers"][0];
    assert_eq!(told["outcome"], "process_failed");
    assert_eq!(told["process"]["exit_code"], 3);
    assert_eq!(told["process"]["requested"], true);

    let (json, code) = on(&["probe", "--service=process", "--timeout=20s"]);
    assert_eq!(code, 1);
    assert_eq!(json["wrappers"][0]["health"]["status"], "NOT_SERVING");
}

#[test]
fn without_a_listener_the_advice_is_to_start_the_wrapper() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix://{}/none.sock", folder.path().display());
    for command in ["status", "shutdown", "wait", "probe"] {
        let said = call(&[command, "--address", &address, "--connect-timeout", "50ms"]);
        assert_eq!((said.code, said.stdout.as_str()), (4, ""), "{said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
        for words in ["nothing listens", &address, "process-wrapper run --listen"] {
            assert!(said.stderr.contains(words), "{words:?} is not in {said:?}");
        }
    }
    // The kernel's refusal takes a turn of the reactor, which a busy machine may not get at once.
    let said = call(&[
        "status",
        "--address=tcp://127.0.0.1:1",
        "--connect-timeout=1s",
    ]);
    assert_eq!(said.code, 4);
    assert!(said.stderr.contains("nothing listens"), "{said:?}");
}

#[test]
fn the_variable_names_the_address_as_for_run() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let output = client(&["status"])
        .env("PROCESS_WRAPPER_ADDRESS", wrapper.address())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = client(&["status"])
        .env("PROCESS_WRAPPER_ADDRESS", "nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn wrong_usage_sends_no_request() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook");
    std::fs::write(&file, "https://a.example/\nno header\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, words) in [
        (&["shutdown", "--timeout=1s"][..], "--wait"),
        (&["shutdown", "--propagate-exit"], "--wait"),
        (
            &["shutdown", "--webhook=http://a", "--webhook-file=b"],
            "exclude",
        ),
        (
            &["shutdown", "--webhook-file=/no/such/file"],
            "/no/such/file",
        ),
        (&["shutdown", "--webhook-file", file], "line 2"),
        (&["shutdown", "--connect-timeout=0s"], "--connect-timeout"),
        (&["shutdown", "--wait", "--timeout=0s"], "longer than 0"),
        (&["wait", "--timeout=0s"], "longer than 0"),
        (&["probe", "--timeout=0s"], "longer than 0"),
        (&["shutdown", "--", "sleep"], "only `run`"),
        (&["wait", "--until=dead"], "shutting_down"),
        (&["status", "--output=xml"], "json"),
        (&["probe", "--address=localhost:1"], "tcp://localhost:1"),
    ] {
        let said = call(&[arguments, &["--address", &wrapper.address()]].concat());
        // A command behind `--` swallows what follows it.
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
        assert!(said.stderr.contains(words), "{words:?} is not in {said:?}");
    }
    let said = call(&["status", "--address", &wrapper.address()]);
    assert!(said.stdout.starts_with("running"), "{said:?}");
}

#[test]
fn a_refused_request_is_code_1_and_signals_nothing() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let address = wrapper.address();
    let said = call(&[
        "shutdown",
        "--wait",
        "--webhook=ftp://a",
        "--address",
        &address,
    ]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("refused"), "{said:?}");
    let said = call(&["status", "--address", &address]);
    assert!(said.stdout.starts_with("running"), "{said:?}");
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = client(&["status", "--address", &wrapper.address()])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    support::eventually("the wrapper lives on", || {
        call(&["status", "--address", &wrapper.address()]).code == 0
    });
}

#[test]
fn the_exit_code_reports_a_failure_although_stderr_is_closed() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let address = wrapper.address();
    for (arguments, code) in [
        // The answer cannot be written, and that this is so cannot be either.
        (&["status", "--address", &address][..], 1),
        (&["status", "--output=xml"], 2),
        (&["run", "--listen=tcp://0.0.0.0:0", "--", "true"], 2),
        (&["run", "--exit-when-gone=always", "--", "/no/such"], 127),
        (
            &["status", "--address=unix:/no/such", "--connect-timeout=1ms"],
            4,
        ),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = client(arguments)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
