//! Files of options, of every kind: each unusable one is refused in a bounded time, with its option
//! and the reason, and starts and calls nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{binary, setup, sweep_by, wait_for_exit};
use crate::tokens::{TOKEN, token_file};

/// How an option reads its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Once, so that a pipe serves as well.
    Once,
    /// Again later.
    Again,
}

/// Options with a file, and the arguments around each. `GOOD` stands for the directory of good
/// files.
const OPTIONS: &[(&str, Reads, &[&str])] = &[
    (
        "--token-file",
        Reads::Again,
        &["run", "--listen=tcp://127.0.0.1:0"],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-cert",
        Reads::Again,
        &["run", "--listen=tcp://127.0.0.1:0", "--tls-key=GOOD/a.key"],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-key",
        Reads::Again,
        &["run", "--listen=tcp://127.0.0.1:0", "--tls-cert=GOOD/a.pem"],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-client-ca",
        Reads::Again,
        &[
            "run",
            "--listen=tcp://127.0.0.1:0",
            "--tls-cert=GOOD/a.pem",
            "--tls-key=GOOD/a.key",
        ],
    ),
    #[cfg(feature = "webhooks")]
    ("--webhook-file", Reads::Once, &["run"]),
    #[cfg(feature = "webhooks")]
    ("--webhook-secret-file", Reads::Once, &["run"]),
    #[cfg(feature = "webhooks")]
    ("--webhook-ca-file", Reads::Once, &["run"]),
    (
        "--token-file",
        Reads::Again,
        &["status", "--address=tcp://127.0.0.1:1"],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-ca",
        Reads::Again,
        &["wait", "--address=tcp://127.0.0.1:1"],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-cert",
        Reads::Again,
        &[
            "status",
            "--address=tcp://127.0.0.1:1",
            "--tls-ca=GOOD/ca.pem",
            "--tls-key=GOOD/a.key",
        ],
    ),
    #[cfg(feature = "tls")]
    (
        "--tls-key",
        Reads::Again,
        &[
            "probe",
            "--address=tcp://127.0.0.1:1",
            "--tls-ca=GOOD/ca.pem",
            "--tls-cert=GOOD/a.pem",
        ],
    ),
    (
        "--webhook-file",
        Reads::Once,
        &["shutdown", "--address=tcp://127.0.0.1:1"],
    ),
];

/// Puts one file of each unusable kind into a directory; each with a part of the error.
fn unusable(folder: &Path, reads: Reads) -> Vec<(PathBuf, &'static str)> {
    let at = |name: &str| folder.join(name);
    std::fs::create_dir(at("directory")).unwrap();
    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    // The file stays when the listener is dropped.
    UnixListener::bind(at("socket")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
    std::fs::write(at("large"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    std::fs::write(at("utf-16"), b"\xff\xfeh\0").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    vec![
        (at("missing"), "No such file"),
        (at("link"), "No such file"),
        (at("directory"), "it is a directory; name a regular file"),
        (at("socket"), "it is a socket"),
        (PathBuf::from("/dev/zero"), "it is a device"),
        (at("large"), "it is larger than 1 MiB"),
        (at("utf-16"), "save it as UTF-8"),
        (at("empty"), ""),
        (
            at("pipe"),
            match reads {
                Reads::Once => "no process has written to it",
                Reads::Again => "it is a pipe, which cannot be read again later",
            },
        ),
    ]
}

#[test]
fn an_unusable_file_is_refused_with_its_option_and_the_reason() {
    #[cfg(feature = "tls")]
    let good = {
        let authority = crate::certificates::Authority::new();
        authority.sign("a", &[crate::certificates::SERVER]);
        authority
    };
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for (n, (option, reads, around)) in OPTIONS.iter().enumerate() {
        let own = folder.path().join(n.to_string());
        std::fs::create_dir(&own).unwrap();
        for (file, why) in unusable(&own, *reads) {
            rows.push((*option, *around, file, why));
        }
    }
    assert!(rows.len() >= 27, "{}", rows.len());
    sweep_by(8, rows.len(), |n| {
        let (option, around, file, why) = &rows[n];
        let mark = folder.path().join(format!("mark-{n}"));
        let mut command = Command::new(binary());
        for argument in *around {
            #[cfg(feature = "tls")]
            let argument = &argument.replace("GOOD", good.folder.path().to_str().unwrap());
            command.arg(argument);
        }
        command.arg(format!("{option}={}", file.display()));
        if around[0] == "run" {
            if !around.iter().any(|other| other.contains("--listen")) {
                command.arg(format!("--listen=unix:{}/s{n}", folder.path().display()));
            }
            command.arg("--exit-when-gone=always").arg("--");
            command.arg("touch").arg(&mark);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {stderr}");
        for words in [*option, file.to_str().unwrap(), *why] {
            assert!(stderr.contains(words), "{words:?} is not in: {stderr}");
        }
        assert!(!mark.exists(), "{command:?}: a process was started");
    });
}

#[test]
fn every_file_option_of_the_help_is_in_the_table() {
    for command in ["run", "status", "wait", "shutdown", "probe"] {
        let output = Command::new(binary()).args([command, "--help"]).output();
        let help = String::from_utf8(output.unwrap().stdout).unwrap();
        let words = help
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let options = words.filter(|word| {
            let tls = word.starts_with("--tls-") && *word != "--tls-min-version";
            tls || (word.starts_with("--") && word.ends_with("-file"))
        });
        let options: Vec<&str> = options.collect();
        assert!(!options.is_empty(), "{help}");
        for option in options {
            let tls = option.contains("tls") && !cfg!(feature = "tls");
            let found = OPTIONS.iter().any(|(known, _, around)| {
                *known == option && (around[0] == "run") == (command == "run")
            });
            assert!(found || tls, "{command} {option}");
        }
    }
}

#[cfg(feature = "webhooks")]
#[test]
fn a_file_that_is_read_once_may_be_a_process_substitution() {
    use std::os::unix::process::CommandExt as _;

    use crate::sockets::copy_for_all;
    use crate::support::peers;
    use crate::user::{JOB, is_root};

    let Some(bash) = peers::find("bash") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    // The secret comes after a while, as from a program that asks for a passphrase.
    let script = "exec \"$0\" run --insecure --listen unix:$1/s \
        --webhook-file <(printf 'PUT http://127.0.0.1:9/\\n') \
        --webhook-secret-file <(sleep 0.3; printf 'whsec_%s' AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=) \
        --webhook-deadline 1ms --exit-when-gone always -- true";
    let mut command = Command::new(bash);
    let (_copies, copy) = copy_for_all();
    command.args(["-c", script]).arg(copy);
    command.arg(folder.path()).env("HOME", "/");
    if is_root() {
        // Also without root's right to read any file of /proc.
        command.uid(JOB.0).gid(JOB.1);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("webhook not delivered") || stderr.contains("webhook failed"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_every_user_can_change_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = token_file(folder.path(), TOKEN);
    let option = format!("--token-file={}", file.display());
    for (mode, warned) in [(0o602, true), (0o664, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut wrapper = setup(&[&option, "--exit-when-gone=always"], &["true"]).start();
        assert!(wait_for_exit(&mut wrapper.process).success());
        let stderr = wrapper.stderr.all();
        let found = stderr.contains("every user of this machine can change this file");
        assert_eq!(found, warned, "{mode:o}: {stderr}");
    }
}
