//! The clients in `examples/go` and `examples/python`, which other tools copy: their generated
//! code, their waits and their exit codes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::waits::{Relay, finish, kill, listening_on};
use super::{FAILS, STAYS, SUCCEEDS, Said};
use crate::support::{self, peers, start_ready};

/// Ends by SIGTERM alone, with code 0.
const GIVES_UP: &str =
    "trap '' QUIT; trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done";

/// One example, ready to run.
struct Example {
    command: Vec<OsString>,
    /// The unit behind a number of seconds in its options.
    unit: &'static str,
}

impl Example {
    /// Runs it with options, written as `--name=VALUE`; a number among them counts seconds.
    fn start(&self, address: &str, options: &[(&str, f64)]) -> std::process::Child {
        Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(["--address", address])
            .args(
                options
                    .iter()
                    .map(|(name, seconds)| format!("--{name}={seconds}{}", self.unit)),
            )
            .env_remove("PROCESS_WRAPPER_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, address: &str, options: &[(&str, f64)]) -> Said {
        finish(self.start(address, options))
    }
}

/// The examples whose tools are installed.
fn examples() -> &'static [Example] {
    static EXAMPLES: OnceLock<Vec<Example>> = OnceLock::new();
    EXAMPLES.get_or_init(|| [go(), python()].into_iter().flatten().collect())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of an example's files in a folder of this build, where code is generated beside them.
fn copy(name: &str, files: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("example-{name}"));
    std::fs::create_dir_all(folder.join("gen")).unwrap();
    for file in files {
        let source = root().join("examples").join(name).join(file);
        std::fs::copy(source, folder.join(file)).unwrap();
    }
    folder
}

fn run_in(folder: &Path, program: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

fn go() -> Option<Example> {
    let (go, buf) = (peers::find("go")?, peers::find("buf")?);
    let folder = copy("go", &["buf.gen.yaml", "go.mod", "go.sum", "main.go"]);
    if !run_in(&folder, &go, &["mod", "download"]).status.success() {
        peers::missing("Go with the modules of examples/go");
        return None;
    }
    // The command of its README, with the paths from here.
    let proto = root().join("proto");
    let ours = proto.join("process_wrapper");
    let paths = [proto.to_str()?, "--path", ours.to_str()?];
    let generated = run_in(&folder, &buf, &[&["generate"], &paths[..]].concat());
    assert!(generated.status.success(), "{generated:?}");
    for arguments in [&["vet", "."][..], &["build", "-o", "drain", "."]] {
        let built = run_in(&folder, &go, arguments);
        assert!(built.status.success(), "{built:?}");
    }
    Some(Example {
        command: vec![folder.join("drain").into()],
        unit: "s",
    })
}

fn python() -> Option<Example> {
    let python = peers::python("grpc_tools.protoc")?;
    let folder = copy("python", &["drain.py"]);
    let proto = format!("--proto_path={}", root().join("proto").display());
    let generate = [
        "-m",
        "grpc_tools.protoc",
        &proto,
        "--python_out=gen",
        "--grpc_python_out=gen",
        "process_wrapper/v1/process_wrapper.proto",
    ];
    let generated = run_in(&folder, &python, &generate);
    assert!(generated.status.success(), "{generated:?}");
    Some(Example {
        command: vec![python.into(), folder.join("drain.py").into()],
        unit: "",
    })
}

#[test]
fn the_exit_code_of_the_examples_is_the_outcome() {
    for example in examples() {
        // With the process the wrapper exits, before a wait that came after the request.
        for always in [&[][..], &["--exit-when-gone=always"]] {
            for (script, code, outcome) in [(SUCCEEDS, 0, "drained"), (FAILS, 5, "failed")] {
                let wrapper = start_ready(always, script);
                let said = example.run(&wrapper.address(), &[]);
                assert_eq!(said.code, code, "{said:?}");
                assert!(
                    said.stdout.ends_with(&format!(" is gone: {outcome}\n")),
                    "{said:?}"
                );
            }
        }
        let wrapper = start_ready(&["--kill-after=100ms"], STAYS);
        let said = example.run(&wrapper.address(), &[("force-after", 0.1)]);
        assert_eq!(said.code, 6, "{said:?}");
        assert!(said.stdout.ends_with(" is gone: killed\n"), "{said:?}");
    }
}

#[test]
fn the_examples_keep_their_deadline_and_the_process() {
    for example in examples() {
        let wrapper = start_ready(&[], STAYS);
        let said = example.run(&wrapper.address(), &[("timeout", 1.5)]);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.stderr.contains("not gone after"), "{said:?}");
        let process = support::client::Client::connect(&wrapper.address()).get_state();
        assert!(process.requested && process.exited_at.is_none());
    }
}

#[test]
fn the_examples_tell_a_refusal_and_a_missing_wrapper_apart() {
    for example in examples() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = format!("unix://{}/nothing", folder.path().display());
        let said = example.run(&nothing, &[("connect-timeout", 0.5)]);
        assert_eq!(said.code, 4, "{said:?}");
        assert!(said.stderr.contains("cannot be reached"), "{said:?}");
        // An abort would do nothing there, which FAILED_PRECONDITION says.
        let wrapper = start_ready(&["--forceful-signal=none"], STAYS);
        let said = example.run(&wrapper.address(), &[("force-after", 1.0)]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("--kill-after"), "{said:?}");
    }
}

#[test]
fn the_examples_wait_on_after_a_lost_connection() {
    for example in examples() {
        let mut wrapper = start_ready(&["--log-level=debug"], GIVES_UP);
        let relay = Relay::to(wrapper.socket());
        let address = format!("unix://{}", relay.path.display());
        let waiting = example.start(&address, &[("connect-timeout", 20.0)]);
        let connection = relay.next();
        // The state before, the wait, and the state right before the request.
        wrapper.stderr.wait_for_nth("state read", 3);
        wrapper.stderr.wait_for("sent SIGQUIT");
        connection.shutdown(std::net::Shutdown::Both).unwrap();
        // The state again, and the next wait.
        wrapper.stderr.wait_for_nth("state read", 5);
        wrapper.signal(nix::sys::signal::Signal::SIGTERM);
        let said = finish(waiting);
        wrapper.wait();
        // The process gave up its work at SIGTERM.
        assert_eq!(said.code, 6, "{said:?}");
    }
}

#[test]
fn the_examples_do_not_mistake_a_successor_for_the_process() {
    for example in examples() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let address = format!("unix://{}", socket.display());
        let mut first = listening_on(&socket, &["--log-level=debug"], STAYS);
        first.stdout.wait_for("ready");
        let waiting = example.start(&address, &[("connect-timeout", 20.0)]);
        first.stderr.wait_for_nth("state read", 2);
        first.stderr.wait_for("sent SIGQUIT");
        kill(&mut first);
        let _second = listening_on(&socket, &[], STAYS);
        let said = finish(waiting);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains("another process"), "{said:?}");
        // Without a successor.
        let mut third = start_ready(&["--log-level=debug"], STAYS);
        let waiting = example.start(&third.address(), &[("connect-timeout", 0.5)]);
        third.stderr.wait_for_nth("state read", 2);
        third.stderr.wait_for("sent SIGQUIT");
        kill(&mut third);
        assert_eq!(finish(waiting).code, 4);
    }
}
