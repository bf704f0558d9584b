//! When the wrapper gives up the descriptors that it shares with the process: a pipe ends, and a
//! lock is released, as they would without the wrapper.

use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::support::{setup, write_program};

/// Ends the wrapper, which has stayed.
fn stop(wrapper: &mut super::support::Wrapper) {
    assert!(wrapper.process.try_wait().unwrap().is_none(), "it stays");
    wrapper.signal(Signal::SIGTERM);
    assert_eq!(wrapper.code(), 0, "{}", wrapper.stderr.text());
}

#[test]
fn stdout_ends_when_the_process_is_gone_while_the_wrapper_stays() {
    let mut wrapper = setup(&[], &["sh", "-c", "echo out"]).start();
    assert_eq!(wrapper.stdout.all(), "out");
    stop(&mut wrapper);
}

#[test]
fn stdin_breaks_when_the_process_is_gone_while_the_wrapper_stays() {
    let mut wrapper = setup(&[], &["true"])
        .configure(|command| {
            command.stdin(Stdio::piped());
        })
        .start();
    let mut stdin = wrapper.process.stdin.take().unwrap();
    wrapper.stdout.all();
    // The two are given up one after the other.
    super::support::eventually("the pipe breaks", || {
        stdin.write_all(b"x").and_then(|()| stdin.flush()).is_err()
    });
    stop(&mut wrapper);
}

#[test]
fn a_command_after_the_exit_still_has_the_streams() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("after");
    write_program(&program, "#!/bin/sh\necho after\n");
    let option = format!("--after-exit={}", program.display());
    let mut wrapper = setup(&[&option], &["sh", "-c", "echo out"]).start();
    assert_eq!(wrapper.stdout.all(), "out\nafter");
    stop(&mut wrapper);
}

#[test]
fn a_descriptor_of_the_launcher_is_the_process_s_alone() {
    // Descriptor 3 is the pipe, as for a notification or a lock. It ends while the process runs.
    let script = "echo ready >&3; exec 3>&-; read end; exit 7";
    for options in [&[][..], &["--on-wrapper-death", "TERM"][..]] {
        let mut wrapper = setup(options, &["sh", "-c", script])
            .replace(|wrapper| {
                let mut shell = std::process::Command::new("sh");
                shell.args(["-c", "exec \"$@\" 3>&1 1>/dev/null", "sh"]);
                shell.arg(wrapper.get_program()).args(wrapper.get_args());
                shell.env_remove("PROCESS_WRAPPER_ADDRESS");
                shell
            })
            .configure(|command| {
                command.stdin(Stdio::piped());
            })
            .start();
        assert_eq!(wrapper.stdout.all(), "ready", "{options:?}");
        assert!(!wrapper.stderr.text().contains("is gone"), "{options:?}");
        drop(wrapper.process.stdin.take());
        wrapper.stderr.wait_for("the process is gone");
        wrapper.signal(Signal::SIGTERM);
        assert_eq!(wrapper.code(), 7, "{}", wrapper.stderr.text());
    }
}
