//! Clients written in Go, as deployed tools are: the sequence of GitLab's deployer on grpc-go, and
//! Go's own formatting of durations and exit statuses is the reference.
//!
//! The program is in `tests/gitlab-client`. It is built here; without Go, or without its modules,
//! these tests are skipped loudly, and fail in CI.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use process_wrapper::gitlab::{GoDuration, failure_reason};
use process_wrapper::lifecycle::Exit;

use super::command_line::tcp_address;
use super::*;

/// The built program; `None`, after a SKIPPED line, if a build dependency is missing.
fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = PROGRAM.get_or_init(build).as_ref();
    if built.is_none() {
        support::peers::missing("Go with the modules of tests/gitlab-client");
    }
    built
}

fn build() -> Option<PathBuf> {
    let go = support::peers::find("go")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gitlab-client");
    let run = |arguments: &[&str]| {
        Command::new(&go)
            .args(arguments)
            .current_dir(&source)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    if !run(&["mod", "download"]).status.success() {
        return None;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gitlab-client");
    let output = run(&["build", "-o", program.to_str().unwrap(), "."]);
    assert!(output.status.success(), "{output:?}");
    Some(program)
}

fn start_client(program: &PathBuf, arguments: &[&str], folder: &Path) -> std::process::Child {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn output(mut client: std::process::Child) -> Output {
    support::wait_for_exit(&mut client);
    client.wait_with_output().unwrap()
}

/// Lines of a command of the program that needs no wrapper.
fn lines(program: &PathBuf, arguments: &[&str]) -> Vec<String> {
    let output = output(start_client(program, arguments, Path::new("/")));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs the sequence and asserts that each of its steps came out well, and how the runner ended.
fn assert_deployed(client: std::process::Child, terminated: &str) {
    let output = output(client);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let steps: Vec<_> = printed.lines().collect();
    assert_eq!(steps[0], "healthy");
    // The runner may be gone when the answer is written.
    assert!(["asked: 2", "asked: 3"].contains(&steps[1]), "{printed}");
    assert_eq!(steps[2], format!("terminated: 3 {terminated}"));
}

#[test]
fn the_deployers_sequence_drains_over_every_form_of_a_unix_address() {
    let Some(program) = program() else { return };
    for form in ["unix://", "unix:"] {
        let mut wrapper = start(&["--process-termination-timeout", "3h"], RUNNER);
        let target = format!("{form}{}", wrapper.socket().display());
        let client = start_client(program, &["deploy", "graceful", &target], Path::new("/"));
        assert_deployed(client, "\"\"");
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 0);
        assert_eq!(wrapper.stdout.all(), "ready\nquit");
    }
    let wrapper = start(&[], RUNNER);
    let arguments = ["deploy", "graceful", "unix:control.sock"];
    let client = start_client(program, &arguments, wrapper.folder.path());
    assert_deployed(client, "\"\"");
}

#[test]
fn the_deployers_sequence_drains_with_the_path_as_authority() {
    let Some(program) = program() else { return };
    // grpc-go sends what follows `passthrough:///` percent-encoded and Huffman-coded.
    for form in [
        "passthrough:///",
        "passthrough:///unix://",
        "passthrough:///unix:",
    ] {
        let wrapper = start(&["--process-termination-timeout", "3h"], RUNNER);
        let target = format!("{form}{}", wrapper.socket().display());
        let client = start_client(program, &["deploy", "graceful", &target], Path::new("/"));
        assert_deployed(client, "\"\"");
    }
}

#[test]
fn the_deployers_sequence_forces_over_a_unix_socket() {
    let Some(program) = program() else { return };
    let mut wrapper = start(&[], RUNNER);
    let target = format!("unix://{}", wrapper.socket().display());
    let client = start_client(program, &["deploy", "forceful", &target], Path::new("/"));
    assert_deployed(client, "\"exit status 1\"");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 1);
    assert_eq!(wrapper.stdout.all(), "ready\nterm");
}

#[test]
fn the_deployers_sequence_drains_and_forces_over_tcp() {
    let Some(program) = program() else { return };
    for (way, terminated, code) in [
        ("graceful", "\"\"", 0),
        ("forceful", "\"exit status 1\"", 1),
    ] {
        let mut wrapper = support::setup_with(|command, folder| {
            command.args(["wrapper", "--grpc-listen", "tcp://127.0.0.1:0"]);
            command.args(["--process-termination-timeout", "3h"]);
            command.arg("--runner-path").arg(runner(folder, RUNNER));
            command.args(["--", "run"]);
        })
        .start();
        wrapper.stdout.wait_for("ready");
        let target = tcp_address(&wrapper);
        let client = start_client(program, &["deploy", way, &target], Path::new("/"));
        assert_deployed(client, terminated);
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), code);
    }
}

#[test]
fn a_client_started_before_the_wrapper_retries() {
    let Some(program) = program() else { return };
    let setup = gitlab_wrapper(&[], RUNNER);
    let arguments = ["deploy", "graceful", "unix:control.sock"];
    let client = start_client(program, &arguments, setup.folder());
    let wrapper = setup.start();
    // It asks as soon as the status is `running`, which may be before the script has its traps.
    let output = output(client);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("terminated: 3"), "{printed}");
    assert_eq!(
        check(&Client::connect(&wrapper.address())).0,
        pb::Status::Stopped
    );
}

#[test]
fn durations_are_read_as_go_reads_them() {
    let Some(program) = program() else { return };
    let numbers = [
        "0",
        "1",
        "7",
        "30",
        "1.5",
        ".25",
        "9.",
        "0.000000001",
        "9223372036854775807",
    ];
    let units = ["h", "m", "s", "ms", "us", "ns", "\u{b5}s", "\u{3bc}s"];
    let noise = ["", "-", "+", ".", " ", "d", "s", "3"];
    let mut random = fastrand::Rng::with_seed(6);
    let mut texts = Vec::new();
    for _ in 0..1000 {
        let mut text = String::new();
        for _ in 0..random.usize(1..4) {
            text += random.choice(numbers).unwrap();
            text += random.choice(units).unwrap();
        }
        texts.push(text.clone());
        // The same with something that may not belong there.
        let at = text
            .char_indices()
            .map(|(at, _)| at)
            .nth(random.usize(0..text.chars().count()));
        text.insert_str(at.unwrap(), random.choice(noise).unwrap());
        texts.push(text);
    }
    for text in [
        "3h",
        "1m30s",
        "1h0m0s",
        "1.5h",
        "300ms",
        "0.1234567891234567891h",
        "2562047h47m16.854775807s",
        "2562047h47m16.854775808s",
        "10s",
    ] {
        texts.push(text.to_owned());
    }
    let mut arguments = vec!["durations"];
    arguments.extend(texts.iter().map(String::as_str));
    let answers = lines(program, &arguments);
    assert_eq!(answers.len(), texts.len());
    let mut accepted = 0;
    for (text, go) in texts.iter().zip(answers) {
        let ours = match text.parse::<GoDuration>() {
            Ok(duration) => duration.0.as_nanos().to_string(),
            Err(_) => "refused".to_owned(),
        };
        // A negative time to wait is refused here.
        let go = if go.starts_with('-') {
            "refused".to_owned()
        } else {
            go
        };
        assert_eq!(ours, go, "{text:?}");
        accepted += usize::from(go != "refused");
    }
    assert!(accepted > 1000, "only {accepted} durations were compared");
}

#[test]
fn signals_have_the_names_that_go_gives_them() {
    let Some(program) = program() else { return };
    for (number, word) in (1..).zip(lines(program, &["signals"])) {
        let exit = Exit::Signal {
            number,
            core_dumped: false,
        };
        assert_eq!(failure_reason(exit), format!("signal: {word}"));
    }
}

#[test]
fn the_end_of_a_process_is_formatted_as_go_formats_it() {
    let Some(program) = program() else { return };
    for script in [
        "exit 0",
        "exit 1",
        "exit 255",
        "kill -KILL $$",
        "kill -QUIT $$",
        "kill -SEGV $$",
        "kill -HUP $$",
        "kill -34 $$",
    ] {
        let go = lines(program, &["reason", script]).join("\n");
        let wrapper = gitlab_wrapper(&[], script).start();
        let ours = wait_terminated(&Client::connect(&wrapper.address()));
        assert_eq!(ours, go, "{script}");
    }
}
