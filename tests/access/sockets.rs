//! Socket files and other users of the same machine.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::call::{GET_STATE, INITIATE, Outcome, probe};
use crate::support::client::Client;
use crate::support::http2::PREFACE;
use crate::support::{DRAINS, Wrapper, binary, copy_program, setup, setup_with};
use crate::user::{JOB, as_user, is_root};

/// A wrapper whose folder others may enter.
pub(crate) fn start(options: &[&str]) -> Wrapper {
    let wrapper = setup(options, &["sh", "-c", DRAINS, "sh"])
        .configure(|command| {
            let listen = command.get_args().nth(2).unwrap().to_str().unwrap();
            let socket = Path::new(listen.trim_start_matches("unix:"));
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(socket.parent().unwrap(), mode).unwrap();
        })
        .start();
    wrapper.stdout.wait_for("ready");
    wrapper
}

const OPEN: &str = "--socket-mode=666";

/// Whether a caller of these ids gets an answer.
fn is_let_in(wrapper: &Wrapper, ids: (u32, u32)) -> bool {
    let expected = Outcome::Admitted;
    let address = wrapper.address();
    match as_user(ids, || probe(&address, GET_STATE, expected)) {
        Outcome::Admitted => true,
        Outcome::Closed => false,
        Outcome::Refused(code) => panic!("{code:?}"),
    }
}

#[test]
fn by_default_only_the_own_user_may_connect() {
    if !is_root() {
        return;
    }
    let wrapper = start(&[]);
    let connected = as_user(JOB, || UnixStream::connect(wrapper.socket()));
    assert_eq!(connected.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(is_let_in(&wrapper, (0, 0)));
}

#[test]
fn root_may_call_a_wrapper_of_another_user_unless_it_is_denied() {
    if !is_root() {
        return;
    }
    let (_copies, copy) = copy_for_all();
    for (options, let_in) in [
        (&[][..], true),
        (&["--deny-root"], false),
        (&["--deny-root", "--allow-uid=0"], false),
    ] {
        let setup = setup_with(|command, folder| {
            std::os::unix::fs::chown(folder, Some(JOB.0), Some(JOB.1)).unwrap();
            *command = Command::new(&copy);
            let listen = format!("--listen=unix:{}/control.sock", folder.display());
            command.args(["run", &listen]).args(options);
            command.args(["--", "sh", "-c", DRAINS, "sh"]);
            command.uid(JOB.0).gid(JOB.1);
        });
        let mut wrapper = setup.start();
        if options.len() == 2 {
            assert_eq!(wrapper.code(), 2);
            let printed = wrapper.stderr.all();
            assert!(printed.contains("--allow-uid 0 admits root"), "{printed}");
            continue;
        }
        wrapper.stdout.wait_for("ready");
        assert_eq!(is_let_in(&wrapper, (0, 0)), let_in, "{options:?}");
        assert!(is_let_in(&wrapper, JOB), "{options:?}");
    }
}

#[test]
fn peer_credentials_are_checked_beyond_the_file_mode() {
    if !is_root() {
        return;
    }
    let wrapper = start(&[OPEN, "--allow-uid=1000", "--allow-gid=2000"]);
    for (ids, let_in) in [
        ((0, 0), true),
        ((1000, 1000), true),
        ((1001, 2000), true),
        (JOB, false),
        ((2000, 1000), false),
        ((65534, 2000), false),
        ((65534, 0), false),
    ] {
        assert_eq!(is_let_in(&wrapper, ids), let_in, "{ids:?}");
    }
    let line = wrapper.stderr.wait_for("connection refused");
    assert!(line.contains("uid=4711 gid=4711 pid="), "{line}");
}

#[test]
fn a_refused_peer_is_closed_without_a_byte() {
    if !is_root() {
        return;
    }
    let wrapper = start(&[OPEN]);
    // Neither a silent peer nor one with a preface is answered.
    for sent in [&b""[..], PREFACE] {
        let (read, seen) = as_user(JOB, || {
            let mut socket = UnixStream::connect(wrapper.socket()).unwrap();
            let deadline = Some(crate::support::DEADLINE);
            socket.set_read_timeout(deadline).unwrap();
            let _ = socket.write_all(sent);
            let mut seen = Vec::new();
            (socket.read_to_end(&mut seen), seen)
        });
        assert_eq!(seen, b"");
        assert!(
            matches!(&read, Ok(0)) || read.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
        );
    }
    // The wrapper is unmoved.
    Client::connect(&wrapper.address()).get_state();
}

#[test]
fn grpcurl_of_another_user_is_refused() {
    let Some(grpcurl) = crate::support::peers::find("grpcurl") else {
        return;
    };
    if !is_root() {
        return;
    }
    let wrapper = start(&[OPEN, "--allow-uid=1000"]);
    // In a directory where other users may execute it.
    let copy = wrapper.folder.path().join("grpcurl");
    copy_program(&grpcurl, &copy);
    let list = |ids| {
        let output = as_user(ids, || {
            Command::new(&copy)
                .args([
                    "-plaintext",
                    "-unix",
                    "-max-time",
                    "2",
                    "-connect-timeout",
                    "2",
                ])
                .args([wrapper.socket().to_str().unwrap(), "list"])
                .current_dir("/")
                .output()
                .unwrap()
        });
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let service = "process_wrapper.v1.ProcessWrapper";
    assert!(list((1000, 1000)).contains(service));
    assert!(!list(JOB).contains(service));
}

#[test]
fn mode_and_group_are_set_before_a_client_can_connect() {
    if !is_root() {
        return;
    }
    let wrapper = start(&["--socket-mode=660", "--socket-group=2000"]);
    let found = wrapper.socket().metadata().unwrap();
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o660, 2000));
    // The mode lets the group through to us, and we do not let it in.
    assert!(!is_let_in(&wrapper, (1000, 2000)));
    let wrapper = start(&[
        "--socket-mode=660",
        "--socket-group=2000",
        "--allow-gid=2000",
    ]);
    assert!(is_let_in(&wrapper, (1000, 2000)));
    assert!(!is_let_in(&wrapper, (1000, 1000)));
}

/// Every attack on a socket by way of its directory.
fn attack(folder: &Path) -> Vec<&'static str> {
    let at = |name: &str| folder.join(name);
    let mut done = Vec::new();
    let mut attempt = |what, succeeded: bool| {
        if succeeded {
            done.push(what);
        }
    };
    attempt("removed", std::fs::remove_file(at("control.sock")).is_ok());
    let moved = std::fs::rename(at("control.sock"), at("moved")).is_ok();
    attempt("moved", moved);
    let socket = UnixListener::bind(at("mine")).is_ok();
    attempt("bound another", socket);
    let over = std::fs::rename(at("mine"), at("control.sock")).is_ok();
    attempt("replaced", over);
    let link = std::os::unix::fs::symlink("/nowhere", at("control.sock")).is_ok();
    attempt("linked", link);
    let hard = std::fs::hard_link(at("control.sock"), at("hard")).is_ok();
    attempt("hard-linked", hard);
    attempt(
        "unlocked",
        std::fs::remove_file(at("control.sock.lock")).is_ok(),
    );
    let lock = std::fs::File::open(at("control.sock.lock")).is_ok();
    attempt("opened the lock", lock);
    let mode = std::fs::Permissions::from_mode(0o777);
    let changed = std::fs::set_permissions(at("control.sock"), mode.clone()).is_ok();
    attempt("changed the mode", changed);
    let folder_changed = std::fs::set_permissions(folder, mode).is_ok();
    attempt("changed the folder", folder_changed);
    attempt(
        "moved the folder",
        std::fs::rename(folder, "/tmp/taken").is_ok(),
    );
    attempt(
        "removed the folder",
        std::fs::remove_dir_all(folder).is_ok(),
    );
    attempt("connected", UnixStream::connect(at("control.sock")).is_ok());
    done
}

#[test]
fn another_user_cannot_open_replace_or_hijack_the_socket() {
    if !is_root() {
        return;
    }
    // A directory that others may enter, and one in which they may also create files.
    for mode in [0o755, 0o1777] {
        let wrapper = start(&[]);
        let folder = wrapper.folder.path();
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder, permissions).unwrap();
        let inode = wrapper.socket().metadata().unwrap().ino();
        let mut done = as_user(JOB, || attack(folder));
        if mode == 0o1777 {
            // The user may create files. None of them replaces ours.
            done.retain(|what| *what != "bound another");
        }
        assert_eq!(done, Vec::<&str>::new(), "{mode:o}");
        let found = wrapper.socket().metadata().unwrap();
        assert_eq!((found.ino(), found.mode() & 0o777), (inode, 0o600));
        let admitted = Outcome::Admitted;
        assert_eq!(probe(&wrapper.address(), INITIATE, admitted), admitted);
    }
}

#[test]
fn a_socket_that_another_user_put_there_first_is_not_used() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sticky = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(folder.path(), sticky).unwrap();
    let path = folder.path().join("s");
    let _theirs = as_user(JOB, || UnixListener::bind(&path).unwrap());
    let output = Command::new(crate::support::binary())
        .args(["run", "--listen", &format!("unix:{}", path.display())])
        .args(["--", "true"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
}

/// A copy of the wrapper in a directory where every user may run it and create files.
pub(crate) fn copy_for_all() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let copy = folder.path().join("wrapper");
    copy_program(binary(), &copy);
    (folder, copy)
}

#[test]
fn our_client_as_another_user_gets_the_reason_of_the_refusal() {
    if !is_root() {
        return;
    }
    let wrapper = start(&[OPEN]);
    let (_folder, copy) = copy_for_all();
    let output = as_user(JOB, || {
        Command::new(&copy)
            .args(["status", "--connect-timeout=2s", "--address"])
            .arg(wrapper.address())
            .current_dir("/")
            .output()
            .unwrap()
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(
        stderr.contains("perhaps this user may not call"),
        "{stderr}"
    );
}

#[test]
fn a_job_of_the_wrappers_own_user_cannot_read_its_memory() {
    if !is_root() {
        return;
    }
    let (folder, copy) = copy_for_all();
    let setup = setup_with(|command, _| {
        *command = Command::new("setpriv");
        command.args(["--reuid=4711", "--regid=4711", "--clear-groups"]);
        command.arg(&copy).arg("run").arg("--listen");
        command.arg(format!("unix:{}/s", folder.path().display()));
        command.args(["--", "sh", "-c", DRAINS]).current_dir("/");
        command.env_remove("PROCESS_WRAPPER_ADDRESS");
    });
    let wrapper = setup.start();
    wrapper.stdout.wait_for("ready");
    let opens = |pid: i32, file: &str| {
        let path = format!("/proc/{pid}/{file}");
        as_user(JOB, || std::fs::File::open(path)).is_ok()
    };
    assert!(!opens(wrapper.pid(), "mem"));
    for file in ["environ", "maps"] {
        assert!(!opens(wrapper.pid(), file), "{file}");
        // What the user may do to their other processes.
        assert!(opens(wrapper.child_pid(), file), "{file}");
    }
}

#[test]
fn a_wrapper_run_by_the_unmapped_user_reports_that_every_call_would_be_refused() {
    if !is_root() {
        return;
    }
    let (folder, copy) = copy_for_all();
    let output = as_user((65534, 65534), || {
        Command::new(&copy)
            .args(["run", "--listen"])
            .arg(format!("unix:{}/s", folder.path().display()))
            .args(["--", "true"])
            .current_dir("/")
            .output()
            .unwrap()
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("its own user would not be admitted on a unix socket"),
        "{stderr}"
    );
}
