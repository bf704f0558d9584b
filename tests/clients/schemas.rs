//! The JSON schemas against full answers, wrong documents and another validator.

use std::process::Command;

use serde_json::Value;

use super::{STAYS, call};
use crate::support::{peers, schema, start_ready};

/// The last event before a time limit.
fn an_event(address: &str) -> String {
    let said = call(&[
        "events",
        "-o",
        "jsonl",
        "--timeout=1s",
        "--address",
        address,
    ]);
    said.stdout.lines().last().unwrap().to_owned()
}

/// Webhooks, an after-exit command, signals by request and by deadline: fields that other answers
/// leave empty.
#[test]
fn an_answer_with_everything_is_as_its_schema_says() {
    let options = ["--after-exit=/no/such/program", "--exit-when-gone=never"];
    let wrapper = start_ready(&options, STAYS);
    let address = wrapper.address();
    let mut arguments = vec!["shutdown", "--wait", "-o", "json", "--address", &address];
    arguments.extend(["--force-after=10ms", "--kill-after=10ms"]);
    // Nothing listens at port 9, and the wrapper tries again for hours.
    if cfg!(feature = "webhooks") {
        arguments.push("--webhook=http://127.0.0.1:9/");
    }
    let json = call(&arguments).json();
    let process = &json["wrappers"][0]["process"];
    assert_eq!(process["outcome"], "killed");
    assert_eq!(process["signals"].as_array().unwrap().len(), 3);
    assert!(process["after_exit"].is_object(), "{process}");
    let webhooks = process["webhooks"].as_array().unwrap().len();
    assert_eq!(webhooks == 1, cfg!(feature = "webhooks"), "{process}");
    for command in [&["wait"][..], &["probe"], &["probe", "--service=process"]] {
        let all = [command, &["--output=json", "--address", &address]].concat();
        call(&all).json();
    }
}

/// A field that the schema lacks, or that is of another kind, is refused: the other tests would not
/// see it otherwise.
#[test]
fn the_schemas_refuse_what_they_do_not_name() {
    let wrapper = start_ready(&[], STAYS);
    let answer = call(&["status", "-o", "json", "--address", &wrapper.address()]).json();
    let refuses = |change: &dyn Fn(&mut Value)| {
        let mut changed = answer.clone();
        change(&mut changed);
        assert!(
            schema::validate("answer.json", &changed).is_err(),
            "{changed}"
        );
    };
    let process = |answer: &mut Value| answer["wrappers"][0]["process"].take();
    refuses(&|answer| answer["new"] = 1.into());
    refuses(&|answer| answer["wrappers"][0]["process"]["new"] = 1.into());
    refuses(&|answer| answer["wrappers"][0]["process"]["pid"] = "1".into());
    refuses(&|answer| answer["wrappers"][0]["process"]["state"] = "dead".into());
    refuses(&|answer| answer["wrappers"][0]["process"]["started_at"] = "today".into());
    refuses(&|answer| {
        let mut without = process(answer);
        without.as_object_mut().unwrap().remove("webhooks");
        answer["wrappers"][0]["process"] = without;
    });
    let refuses = |file: &str, document: &Value, field: &str, value: Value| {
        schema::assert_valid(file, document);
        let mut changed = document.clone();
        changed[field] = value;
        assert!(schema::validate(file, &changed).is_err(), "{changed}");
    };
    let event = serde_json::from_str(&an_event(&wrapper.address())).unwrap();
    refuses("event.json", &event, "new", 1.into());
    refuses("event.json", &event, "time", "today".into());
    let version = serde_json::from_str(&call(&["version", "--output=json"]).stdout).unwrap();
    refuses("version.json", &version, "new", 1.into());
    refuses("version.json", &version, "features", "all".into());
}

#[test]
fn another_validator_reads_the_schemas_as_they_lie_in_their_folder() {
    let Some(python) = peers::python("check_jsonschema") else {
        return;
    };
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let event = an_event(&address);
    let answer = call(&["status", "-o", "json", "--address", &address]).stdout;
    let version = call(&["version", "-o", "json"]).stdout;
    let folder = tempfile::tempdir().unwrap();
    for (name, document) in [
        ("answer.json", answer),
        ("event.json", event),
        ("version.json", version),
    ] {
        let file = folder.path().join(name);
        let check = |document: &str| {
            std::fs::write(&file, document).unwrap();
            let schema = format!("{}/docs/schema/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut command = Command::new(&python);
            command.args(["-m", "check_jsonschema", "--schemafile", &schema]);
            command.arg(&file).output().unwrap()
        };
        let output = check(&document);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let output = check(&document.replacen('{', "{\"new\": 1, ", 1));
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    }
}
