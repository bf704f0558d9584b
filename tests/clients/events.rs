//! `events`, and `status --watch` where no person looks: a line for each change, at once.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::waits::kill;
use super::{FAILS, STAYS, SUCCEEDS, call, client};
use crate::support::{Lines, schema, start_ready, wait_for_exit};

/// The events of a finished command, each as its schema says.
fn events(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let event = serde_json::from_str(line).unwrap();
        schema::assert_valid("event.json", &event);
        event
    };
    stdout.lines().map(parse).collect()
}

fn states(events: &[Value]) -> Vec<&str> {
    let state = |event: &'_ Value| event["process"]["state"].as_str().unwrap_or("-").to_owned();
    let known = ["running", "shutting_down", "gone", "-"];
    let all = events.iter().map(state);
    all.map(|state| *known.iter().find(|one| **one == state).unwrap())
        .collect()
}

#[test]
fn each_change_is_one_line_at_once_until_the_process_is_gone() {
    let wrapper = start_ready(&[], SUCCEEDS);
    let address = wrapper.address();
    let mut process = client(&["events", "--address", &address]).spawn().unwrap();
    let lines = Lines::read(process.stdout.take().unwrap());
    let running = lines.wait_for("running: sh (pid ");
    let named = format!("Z unix://{}: running: ", wrapper.socket().display());
    assert!(running.contains(&named), "{running}");
    let time = running.split(' ').next().unwrap();
    assert!(humantime::parse_rfc3339(time).is_ok(), "{running}");
    assert_eq!(call(&["shutdown", "--address", &address]).code, 0);
    assert_eq!(wait_for_exit(&mut process).code(), Some(0));
    let all = lines.all();
    assert!(all.lines().last().unwrap().contains(": gone: "), "{all}");
    assert!(all.lines().count() <= 3, "{all}");
    assert!(!all.contains('\x1b'), "{all}");
}

#[test]
fn events_as_json_have_a_schema_and_the_exit_codes_of_wait() {
    for (script, options, expected, outcome) in [
        (SUCCEEDS, &[][..], 0, "ok"),
        (FAILS, &[], 5, "process_failed"),
        (FAILS, &["--propagate-exit"], 3, "process_failed"),
        (STAYS, &[], 6, "process_aborted"),
    ] {
        let wrapper = start_ready(&[], script);
        let address = wrapper.address();
        let arguments = ["events", "-o", "jsonl", "--address", &address];
        let mut command = client(&[&arguments[..], options].concat());
        let mut process = command.spawn().unwrap();
        let lines = Lines::read(process.stdout.take().unwrap());
        lines.wait_for("\"running\"");
        let force: &[&str] = match script {
            STAYS => &["--force-after=0s", "--kill-after=0s"],
            _ => &[],
        };
        call(&[&["shutdown", "--address", &address], force].concat());
        assert_eq!(wait_for_exit(&mut process).code(), Some(expected));
        let all = events(&lines.all());
        let states = states(&all);
        assert_eq!(states.first(), Some(&"running"), "{states:?}");
        assert_eq!(states.last(), Some(&"gone"), "{states:?}");
        assert!(
            states.is_sorted_by_key(|state| state.len() != 7),
            "{states:?}"
        );
        assert_eq!(all.last().unwrap()["outcome"], outcome);
    }
}

#[test]
fn events_of_several_wrappers_are_merged_and_the_worst_code_wins() {
    let (first, second) = (start_ready(&[], SUCCEEDS), start_ready(&[], FAILS));
    let nowhere = "unix:///no/such/socket";
    let (one, two) = (first.address(), second.address());
    let mut process = client(&[
        "events",
        "--output=jsonl",
        "--connect-timeout=2s",
        "--address",
        &one,
        "--address",
        &two,
        "--address",
        nowhere,
    ])
    .spawn()
    .unwrap();
    let lines = Lines::read(process.stdout.take().unwrap());
    lines.wait_for_nth("\"running\"", 2);
    lines.wait_for("\"unreachable\"");
    for address in [&one, &two] {
        call(&["shutdown", "--address", address]);
    }
    assert_eq!(wait_for_exit(&mut process).code(), Some(4));
    let all = events(&lines.all());
    for (wrapper, outcome) in [(&first, "ok"), (&second, "process_failed")] {
        let address = format!("unix://{}", wrapper.socket().display());
        let own: Vec<_> = all.iter().filter(|one| one["address"] == address).collect();
        assert!(own.len() >= 2, "{own:?}");
        assert_eq!(own.last().unwrap()["outcome"], outcome);
    }
    let lost: Vec<_> = all.iter().filter(|one| one["address"] == nowhere).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0]["error"]
            .as_str()
            .unwrap()
            .contains("nothing listens")
    );
    assert!(lost[0]["process"].is_null());
}

#[test]
fn a_wrapper_that_dies_is_an_event_with_the_last_state() {
    let mut wrapper = start_ready(&[], "echo ready; exec sleep 60");
    let address = wrapper.address();
    let mut process = client(&[
        "events",
        "--output=json",
        "--connect-timeout=2s",
        "--address",
        &address,
    ])
    .spawn()
    .unwrap();
    let lines = Lines::read(process.stdout.take().unwrap());
    lines.wait_for("\"running\"");
    kill(&mut wrapper);
    assert_eq!(wait_for_exit(&mut process).code(), Some(4));
    let all = events(&lines.all());
    assert_eq!(states(&all), ["running", "running"]);
    assert_eq!(all[1]["outcome"], "unreachable");
}

#[test]
fn the_time_limit_of_events_is_code_3() {
    let wrapper = start_ready(&[], STAYS);
    let said = call(&["events", "--timeout=1s", "--address", &wrapper.address()]);
    assert_eq!((said.code, said.stdout.lines().count()), (3, 1), "{said:?}");
    assert!(said.stderr.contains("still running"), "{said:?}");
}

#[test]
fn events_end_when_their_reader_goes_even_between_changes() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    for arguments in [&["events"][..], &["status", "--watch"]] {
        let mut command = client(&[arguments, &["--address", &address]].concat());
        let mut process = command.spawn().unwrap();
        let mut reader = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("running"), "{line}");
        drop(reader);
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(output.stderr, b"", "{output:?}");
    }
}

#[test]
fn an_event_that_cannot_be_written_is_a_failure_that_is_told() {
    let wrapper = start_ready(&[], STAYS);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = client(&["events", "--address", &wrapper.address()]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("cannot write"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn status_watch_without_a_terminal_prints_events_and_judges_nothing() {
    let wrapper = start_ready(&[], FAILS);
    let address = wrapper.address();
    let arguments = ["status", "--watch", "--address", &address];
    for json in [false, true] {
        let mut command = client(&arguments);
        if json {
            command.arg("--output=json");
        }
        let mut process = command.stderr(Stdio::inherit()).spawn().unwrap();
        let lines = Lines::read(process.stdout.take().unwrap());
        if !json {
            lines.wait_for(": running: ");
            assert_eq!(call(&["shutdown", "--address", &address]).code, 0);
        }
        assert_eq!(wait_for_exit(&mut process).code(), Some(0));
        let all = lines.all();
        if json {
            assert_eq!(states(&events(&all)), ["gone"]);
        } else {
            assert!(all.lines().last().unwrap().contains(": gone: "), "{all}");
        }
    }
}
