//! `pidfd_open` and `epoll_ctl` refused, from the start or right after the fork.

use std::path::Path;

use super::injected;
use super::support::peers;

/// Whether a process runs whose arguments hold the text, from /proc/PID/cmdline.
fn is_running(text: &str) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        entry.file_name() != own.as_str()
            && std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).starts_with(text))
    })
}

#[test]
fn refused_pidfds_end_the_start_before_anything_is_listened_on_or_spawned() {
    if peers::find("strace").is_none() {
        return;
    }
    for fault in [
        "pidfd_open:error=ENOSYS",
        "pidfd_open:error=EPERM",
        "pidfd_send_signal:error=ENOSYS",
    ] {
        let mut wrapper = injected(&[fault], &[], &["sh", "-c", "echo ran"]).start();
        assert_eq!(wrapper.code(), 1, "{fault}");
        let printed = wrapper.stderr.all();
        for word in ["pidfds", "seccomp", "this kernel is"] {
            assert!(printed.contains(word), "{fault}: {printed}");
        }
        assert!(!printed.contains("listening"), "{fault}: {printed}");
        assert_eq!(wrapper.stdout.all(), "", "{fault}");
    }
}

#[test]
fn a_failure_after_the_fork_leaves_no_process_running() {
    if peers::find("strace").is_none() {
        return;
    }
    // Occurrence 1 is the wrapper's probe, 2 that of async-process, 3 its registration, 4 the
    // wrapper's own pidfd.
    for (number, fault) in [
        "pidfd_open:error=ENFILE:when=3",
        "pidfd_open:error=ENOMEM:when=3",
        "pidfd_open:error=ENOMEM:when=4",
    ]
    .into_iter()
    .enumerate()
    {
        for options in [&[][..], &["--on-wrapper-death", "QUIT"][..]] {
            let length = format!("98765{number}{}", options.len());
            let mut wrapper = injected(&[fault], options, &["sleep", &length]).start();
            assert_eq!(wrapper.code(), 1, "{fault} {options:?}");
            let printed = wrapper.stderr.all();
            assert!(
                printed.contains("nothing is left running"),
                "{fault}: {printed}"
            );
            assert!(
                !is_running(&format!("sleep\0{length}")),
                "{fault} {options:?}"
            );
        }
    }
}

#[test]
fn a_failure_after_the_fork_does_not_run_the_after_exit_command_twice() {
    if peers::find("strace").is_none() {
        return;
    }
    // 3 and 4 belong to the main process, 5 is the registration of the command.
    for fault in [
        "pidfd_open:error=ENOMEM:when=5",
        "pidfd_open:error=ENOMEM:when=6",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let program = folder.path().join("after");
        let text = format!("#!/bin/sh\necho run >>{}\n", runs.display());
        super::support::write_program(&program, &text);
        let options = [
            "--exit-when-gone",
            "always",
            "--after-exit",
            program.to_str().unwrap(),
        ];
        let mut wrapper = injected(&[fault], &options, &["true"]).start();
        assert_eq!(wrapper.code(), 0, "{fault}");
        let printed = wrapper.stderr.all();
        assert!(
            printed.contains("nothing is left running"),
            "{fault}: {printed}"
        );
        assert!(lines(&runs) <= 1, "{fault}: {} runs", lines(&runs));
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .count()
}
