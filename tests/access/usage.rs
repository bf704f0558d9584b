//! Contradictory options, and listeners open to every user: exit code 2, and nothing is
//! started.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::support::binary;
use crate::user::{JOB, as_user, is_root};

/// Runs `run` with these options around a command that would leave a mark.
fn run(options: &[&str], mark: &str) -> Output {
    Command::new(binary())
        .arg("run")
        .args(options)
        .args(["--exit-when-gone=always", "--", "touch", mark])
        .env_remove("PROCESS_WRAPPER_ADDRESS")
        .output()
        .unwrap()
}

#[track_caller]
fn assert_refused(options: &[&str], word: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let output = run(options, &mark.display().to_string());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
    assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    assert!(!mark.exists(), "{options:?}: a process was started");
}

#[track_caller]
fn assert_accepted(options: &[&str], word: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let output = run(options, &mark.display().to_string());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{options:?}: {stderr}");
    assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    assert!(mark.exists());
}

fn socket_in(folder: &tempfile::TempDir) -> String {
    format!("--listen=unix:{}/s", folder.path().display())
}

#[test]
fn an_allow_option_without_effect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let unix = socket_in(&folder);
    let tcp = "--listen=tcp://127.0.0.1:0";
    for (options, word) in [
        (&[&*unix, "--allow-uid=1000"][..], "--socket-mode 0660"),
        (&[&*unix, "--allow-gid=1000"], "has no effect"),
        (
            &[
                &*unix,
                "--allow-gid=50",
                "--socket-group=50",
                "--socket-mode=606",
            ],
            "has no effect",
        ),
        (&[&*unix, "--socket-mode=666", "--allow-uid=65534"], "65534"),
        (&[&*unix, "--socket-mode=666", "--allow-gid=65534"], "65534"),
        (&[&*unix, "--socket-group=no-such-group"], "/etc/group"),
        (&[&*unix, "--socket-mode=rw"], "octal"),
        (&[&*unix, "--socket-mode=1777"], "octal"),
        (&[tcp, "--allow-uid=1000"], "unix sockets"),
        (&[tcp, "--socket-mode=600"], "unix sockets"),
        (&[tcp, "--tls-cert=x"], "--tls-key"),
        (&[tcp, "--tls-key=x"], "--tls-cert"),
        (&[tcp, "--tls-client-ca=x"], "--tls-cert"),
        (&[tcp, "--allow-san=x"], "--tls-client-ca"),
        (&[tcp, "--tls-min-version=1.1"], "1.3 or 1.2"),
        (&[&*unix, "--tls-cert=x", "--tls-key=x"], "tcp listeners"),
        (&[tcp, "--token-tcp-only"], "--token-file"),
        (&[tcp, "--token-file=/no/such/file"], "/no/such/file"),
        (
            &["--listen=health=tcp://127.0.0.1:0", "--token-file=x"],
            "applies to no listener",
        ),
        (&["--listen=admin=unix:/s"], "control, read or health"),
    ] {
        assert_refused(options, word);
    }
    let allowed = [&*unix, "--allow-uid=1000", "--socket-mode=666"];
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode).unwrap();
    };
    mode(0o700);
    assert_refused(&allowed, "only the wrapper's user may enter");
    mode(0o755);
    assert_accepted(&allowed, "listening");
}

#[test]
fn plaintext_beyond_loopback_is_refused_unless_it_is_accepted() {
    for listen in [
        "--listen=tcp://0.0.0.0:0",
        "--listen=tcp://[::]:0",
        "--listen=control=tcp://0.0.0.0:0",
        "--listen=read=tcp://0.0.0.0:0",
    ] {
        assert_refused(&[listen], "--insecure");
    }
    assert_accepted(&["--listen=tcp://0.0.0.0:0", "--insecure"], "strangers");
    assert_accepted(&["--listen=health=tcp://0.0.0.0:0"], "listening");
}

#[test]
fn loopback_plaintext_warns_once() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark").display().to_string();
    let warnings = |options: &[&str]| {
        let output = run(options, &mark);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr.matches("every user of this machine").count()
    };
    let localhost = "--listen=tcp://localhost:0";
    assert_eq!(warnings(&[localhost, "--listen=tcp://127.0.0.1:0"]), 1);
    assert_eq!(warnings(&["--listen=health=tcp://localhost:0"]), 0);
    assert_eq!(warnings(&[&socket_in(&folder)]), 0);
}

#[test]
fn a_socket_that_others_could_replace_is_refused_unless_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let listen = format!("--listen=unix:{}/s", open.display());
    let mode = |mode| {
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o777);
    assert_refused(&[&listen], "without the sticky bit");
    assert_accepted(&[&listen, "--insecure"], "insecure");
    mode(0o1777);
    assert_accepted(&[&listen], "listening");
    mode(0o700);
    if is_root() {
        std::os::unix::fs::chown(&open, Some(JOB.0), None).unwrap();
        assert_refused(&[&listen], "belongs to user 4711");
    }
}

#[test]
fn a_socket_behind_a_link_that_others_could_redirect_is_refused() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, mode) in [("safe", 0o755), ("sticky", 0o1777)] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let link = at("sticky/link");
    let listen = format!("--listen=unix:{}/s", link.display());
    as_user(JOB, || std::os::unix::fs::symlink(at("safe"), &link)).unwrap();
    assert_refused(&[&listen], "a symbolic link that belongs to user 4711");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(at("safe"), &link).unwrap();
    assert_accepted(&[&listen], "listening");
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_says_so() {
    let options = ["--listen=tcp://127.0.0.1:0", "--tls-cert=x", "--tls-key=y"];
    assert_refused(&options, "built without TLS");
}
