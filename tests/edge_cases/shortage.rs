//! A start for which the machine has too little: it succeeds, or it says so and leaves nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{Setup, binary, copy_program, peers, setup};
use crate::{launched_by, sweep};

/// Starts it with the shortage; whether it came up. The process ends when its input does, so that
/// only one that was left behind by a failed start would keep its streams open.
fn comes_up(setup: Setup) -> bool {
    let mut wrapper = setup
        .configure(|command| {
            command.stdin(Stdio::piped());
        })
        .start();
    // Either a line or the end of the stream, which only the process holds.
    let came_up = wrapper.stdout.first_line().as_deref() == Some("ran");
    drop(wrapper.process.stdin.take());
    let code = wrapper.code();
    let said = wrapper.stderr.all();
    assert!(!said.contains("panicked"), "{said}");
    if came_up {
        assert_eq!(code, 0, "{said}");
    } else if said.contains("error while loading shared libraries") {
        // Not even the dynamic loader got what it needs: main has not begun.
        assert_eq!(code, 127, "{said}");
    } else {
        assert_eq!(code, 1, "{said}");
        let errors = said
            .lines()
            .filter(|line| line.starts_with("process-wrapper: "));
        assert_eq!(errors.count(), 1, "{said}");
        assert_eq!(wrapper.stdout.all(), "", "{said}");
        assert!(!wrapper.socket().exists(), "{said}");
    }
    came_up
}

const RAN: [&str; 3] = ["sh", "-c", "echo ran; read -r _ || exit 0"];

#[test]
fn with_few_descriptors_a_start_succeeds_or_reports_it_and_leaves_nothing() {
    let came_up: Vec<_> = (0..64).map(|_| std::sync::OnceLock::new()).collect();
    sweep(64 - 3, |run| {
        let limit = run + 3;
        let nofile = format!("--nofile={limit}:{limit}");
        for options in [
            &["--exit-when-gone=always"][..],
            &["--exit-when-gone=always", "--on-wrapper-death=TERM"],
        ] {
            let setup = setup(options, &RAN).configure(launched_by(&["prlimit", &nofile]));
            let up = comes_up(setup);
            let _ = came_up[limit].set(up);
        }
    });
    let came_up: Vec<_> = came_up[3..]
        .iter()
        .map(|up| up.get() == Some(&true))
        .collect();
    // Both ends of the sweep are reached, and nothing that is enough is too little with more.
    assert!(!came_up[0] && came_up[60], "{came_up:?}");
    assert!(came_up.is_sorted(), "{came_up:?}");
}

#[test]
fn with_few_processes_a_start_succeeds_or_reports_it_and_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        peers::missing("the right to become another user (root)");
        return;
    }
    // In a directory where another user may execute it.
    let folder = tempfile::tempdir().unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let wrapper = folder.path().join("process-wrapper");
    copy_program(binary(), &wrapper);
    // Who is told that we are ready: telling takes a thread.
    let manager = folder.path().join("notify");
    let _bound = std::os::unix::net::UnixDatagram::bind(&manager).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&manager, open).unwrap();
    // To look a name up takes one as well.
    let webhook = [
        "--webhook=http://nowhere.invalid/",
        "--webhook-deadline=300ms",
    ];
    let webhook = if cfg!(feature = "webhooks") {
        &webhook[..]
    } else {
        &[]
    };
    for (case, more) in [&[][..], &["--on-wrapper-death=TERM"], webhook]
        .into_iter()
        .enumerate()
    {
        let came_up: Vec<bool> = (0..12)
            .map(|limit| {
                // A user of its own: the kernel counts all processes and threads of one.
                let id = 61_700 + limit + 50 * u32::try_from(case).unwrap();
                let user = id.to_string();
                let own = folder.path().join(&user);
                std::fs::create_dir(&own).unwrap();
                std::os::unix::fs::chown(&own, Some(id), Some(id)).unwrap();
                let socket = format!("unix:{}/s", own.display());
                let nproc = format!("--nproc={limit}:{limit}");
                let setup = setup(&[], &[]).configure(|command| {
                    *command = std::process::Command::new("setpriv");
                    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
                    command.args(["prlimit", &nproc]).arg(&wrapper);
                    command.args(["run", "--listen", &socket]).args(more);
                    command.args(["--exit-when-gone=always", "--"]).args(RAN);
                    command.env_remove("PROCESS_WRAPPER_ADDRESS");
                    command.env("NOTIFY_SOCKET", &manager);
                    command.stdout(Stdio::piped()).stderr(Stdio::piped());
                });
                comes_up(setup)
            })
            .collect();
        assert!(!came_up[1] && came_up[11], "{came_up:?}");
        assert!(came_up.is_sorted(), "{came_up:?}");
    }
}
