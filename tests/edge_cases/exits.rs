//! How a process ends, passed on truthfully.

use process_wrapper::pb::process_wrapper::v1::State;

use crate::support::client::Client;
use crate::support::{eventually, setup};
use crate::{launched_by, may_unshare, program_file, sweep};

#[test]
fn every_code_from_0_to_255_is_the_wrappers_own() {
    sweep(256, |code| {
        // It exits before anything can have waited for it.
        let script = format!("exit {code}");
        let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", &script]).start();
        assert_eq!(wrapper.code(), i32::try_from(code).unwrap());
    });
}

#[test]
fn every_fatal_signal_is_128_plus_its_number() {
    // Also those that have no name here: 16, and the real-time signals.
    let ignored_by_default = [17, 18, 19, 20, 21, 22, 23, 28];
    let fatal: Vec<i32> = (1..=64)
        .filter(|number| !ignored_by_default.contains(number))
        // Those two are the C library's own.
        .filter(|number| ![32, 33].contains(number))
        .collect();
    sweep(fatal.len(), |index| {
        let number = fatal[index];
        let script = format!("ulimit -c 0; kill -{number} $$; sleep 600");
        let mut wrapper = setup(&["--exit-when-gone=always"], &["sh", "-c", &script]).start();
        assert_eq!(wrapper.code(), 128 + number);
    });
}

#[test]
fn whether_a_core_was_dumped_is_reported_as_the_kernel_says() {
    use std::os::unix::process::ExitStatusExt;
    for limit in ["0", "$(ulimit -H -c)"] {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "cd {}; ulimit -S -c {limit}; kill -ABRT $$",
            folder.path().display()
        );
        let alone = std::process::Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap();
        let wrapper = setup(&[], &["sh", "-c", &script]).start();
        let client = Client::connect(&wrapper.address());
        let gone = client.wait_until(State::Gone, None).unwrap();
        assert_eq!(gone.exit_signal, Some(6));
        assert_eq!(gone.core_dumped, alone.core_dumped(), "ulimit -c {limit}");
    }
}

#[test]
fn an_unexecutable_program_is_126_or_127_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| program_file(folder.path(), name, text, mode);
    let cases = [
        (folder.path().join("none").to_str().unwrap().to_owned(), 127),
        ("no-such-name-on-the-path".to_owned(), 127),
        (file("plain", "#!/bin/sh\n", 0o644), 126),
        (folder.path().to_str().unwrap().to_owned(), 126),
        (file("interpreter", "#!/no/such/interpreter\n", 0o755), 126),
        (file("foreign", "\x7fELF of another machine\n", 0o755), 126),
    ];
    for (program, code) in cases {
        let mut wrapper = setup(&[], &[&program]).start();
        assert_eq!(wrapper.code(), code, "{program}");
        assert!(!wrapper.socket().exists(), "{program}");
        assert_eq!(wrapper.stdout.all(), "", "{program}");
        let said = wrapper.stderr.all();
        assert!(said.contains("process-wrapper: "), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// As under execvp(3), and so under tini, dumb-init and catatonit.
#[test]
fn a_script_without_an_interpreter_line_is_executed_by_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo \"$0 $# $1 $2\"; exit 9\n";
    let path = program_file(folder.path(), "bare-script", script, 0o755);
    let empty = program_file(folder.path(), "empty", "", 0o755);
    for options in [
        &["--exit-when-gone=always"][..],
        &["--exit-when-gone=always", "--on-wrapper-death=TERM"],
    ] {
        for name in [path.as_str(), "bare-script"] {
            let mut wrapper = setup(options, &[name, "a b", ""])
                .env("PATH", format!("/bin:{}:/usr/bin", folder.path().display()))
                .start();
            assert_eq!(wrapper.code(), 9, "{}", wrapper.stderr.text());
            assert_eq!(wrapper.stdout.all(), format!("{path} 2 a b "));
        }
        let mut wrapper = setup(options, &[&empty]).start();
        assert_eq!(wrapper.code(), 0, "{}", wrapper.stderr.text());
    }
    let after = format!("--after-exit={path} x");
    let mut wrapper = setup(&["--exit-when-gone=always", &after], &["true"]).start();
    assert_eq!(wrapper.code(), 0);
    assert_eq!(wrapper.stdout.all(), format!("{path} 1 x "));
}

#[test]
fn a_file_system_mounted_with_noexec_is_named() {
    if !may_unshare() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o noexec none \"$0\" && cp /bin/true \"$0\" && exec \"$@\"";
    let path = folder.path().to_str().unwrap();
    let launcher = ["unshare", "--mount", "sh", "-c", mount, path];
    let mut wrapper = setup(&[], &[&format!("{path}/true")])
        .configure(launched_by(&launcher))
        .start();
    assert_eq!(wrapper.code(), 126, "{}", wrapper.stderr.text());
    let said = wrapper.stderr.all();
    assert!(said.contains("mounted with noexec"), "{said}");
}

#[test]
fn gone_is_reported_while_a_grandchild_holds_stdout_and_the_group() {
    // The grandchild stays in the process's group, with its streams.
    let script = "sleep 600 & echo grandchild $!; exit 4";
    let wrapper = setup(&[], &["sh", "-c", script]).start();
    let line = wrapper.stdout.wait_for("grandchild");
    let client = Client::connect(&wrapper.address());
    let gone = client.wait_until(State::Gone, None).unwrap();
    assert_eq!(gone.exit_code, Some(4));
    let grandchild: i32 = line.split(' ').nth(1).unwrap().parse().unwrap();
    let pid = nix::unistd::Pid::from_raw(grandchild);
    assert!(
        nix::sys::signal::kill(pid, None).is_ok(),
        "it is left alone"
    );
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the grandchild is reaped", || {
        nix::sys::signal::kill(pid, None).is_err()
    });
}
