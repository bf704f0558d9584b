//! A process id that the kernel gave to another process.

use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::Signal;
use process_wrapper::pb::process_wrapper::v1::{InitiateGracefulShutdownRequest, State};

use crate::support::client::Client;
use crate::support::{binary, setup};
use crate::{children, may_unshare};

/// Runs the wrapper, waits for a process id, and starts a bystander that gets this very id: in a
/// pid namespace of one's own the next id can be chosen.
const SCRIPT: &str = r#"
    "$@" &
    wrapper=$!
    read -r wanted
    echo $((wanted - 1)) > /proc/sys/kernel/ns_last_pid
    sleep 600 &
    echo "bystander $!"
    read -r _
    kill -0 "$wanted" && echo alive
    kill -TERM $wrapper
    wait $wrapper
    echo "code $?"
"#;

#[test]
fn a_late_request_never_signals_a_bystander_with_the_old_process_id() {
    if !may_unshare() {
        return;
    }
    let mut wrapper = setup(
        &["--graceful-signal=KILL", "--kill-after=0"],
        &["sh", "-c", "exit 3"],
    )
    .configure(|command| {
        let wrapped: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        *command = std::process::Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        command
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(binary())
            .args(wrapped);
        command.env_remove("PROCESS_WRAPPER_ADDRESS");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    })
    .start();
    let client = Client::connect(&wrapper.address());
    let gone = client.wait_until(State::Gone, None).unwrap();
    let mut stdin = wrapper.process.stdin.take().unwrap();
    writeln!(stdin, "{}", gone.pid).unwrap();
    let line = wrapper.stdout.wait_for("bystander");
    assert_eq!(
        line,
        format!("bystander {}", gone.pid),
        "the id is recycled"
    );

    for _ in 0..20 {
        let late = InitiateGracefulShutdownRequest {
            force_after: Some(prost_types::Duration::default()),
            kill_after: Some(prost_types::Duration::default()),
            ..InitiateGracefulShutdownRequest::default()
        };
        let answer = client.shut_down_with(late).unwrap();
        assert_eq!((answer.state(), answer.pid), (State::Gone, gone.pid));
    }
    let init = children(wrapper.pid())[0].0;
    let inner = children(init);
    assert_eq!(inner.len(), 2, "the wrapper and the bystander: {inner:?}");
    // Other signals that the wrapper would forward.
    let log = wrapper.stderr.wait_for("the process is gone");
    assert!(log.contains(&format!("pid={}", gone.pid)), "{log}");
    for (pid, _) in inner {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        if name.trim() == "process-wrapper" {
            for signal in [Signal::SIGHUP, Signal::SIGUSR1] {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
            }
        }
    }
    assert_eq!(client.state(), State::Gone);
    writeln!(stdin, "go on").unwrap();
    wrapper.stdout.wait_for("alive");
    assert_eq!(wrapper.stdout.wait_for("code"), "code 3");
    drop(stdin);
    assert_eq!(wrapper.code(), 0);
}
