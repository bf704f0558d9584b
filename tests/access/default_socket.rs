//! The default socket where another user has taken the name of its directory in /tmp.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sockets::copy_for_all;
use crate::support::setup_with;
use crate::user::{JOB, as_user, is_root};

/// A user without a home and without `XDG_RUNTIME_DIR`.
const VICTIM: u32 = 4712;

/// Removes a file or directory of a test in /tmp.
struct Squatted(PathBuf);

impl Drop for Squatted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0).or_else(|_| std::fs::remove_file(&self.0));
    }
}

/// A command of the victim with nothing of our environment.
fn as_victim(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.uid(VICTIM).gid(VICTIM)
}

const RUN: [&str; 4] = ["run", "--exit-when-gone=always", "--", "true"];

#[test]
fn a_squatted_directory_in_tmp_is_refused_and_the_error_names_the_ways_out() {
    if !is_root() {
        return;
    }
    let path = PathBuf::from(format!("/tmp/process-wrapper-{VICTIM}"));
    let squatted = Squatted(path.clone());
    let (_copies, copy) = copy_for_all();
    type Squat = fn(&Path) -> std::io::Result<()>;
    let squats: [(Squat, &str); 3] = [
        (|path| std::fs::create_dir(path), "belongs to user 4711"),
        (|path| std::fs::write(path, ""), "is not a directory"),
        (
            |path| std::os::unix::fs::symlink("/", path),
            "is not a directory",
        ),
    ];
    for (squat, why) in squats {
        drop(Squatted(path.clone()));
        as_user(JOB, || squat(&path)).unwrap();
        for arguments in [&RUN[..], &["status"]] {
            let mut command = Command::new(&copy);
            let output = as_victim(command.args(arguments)).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{stderr}");
            for words in [
                why,
                "--listen",
                "--address",
                "XDG_RUNTIME_DIR",
                "RuntimeDirectory=",
            ] {
                assert!(stderr.contains(words), "{words:?} is not in: {stderr}");
            }
        }
    }
    // A service has a directory of its own, for the wrapper and for a client in the service.
    for variable in ["RUNTIME_DIRECTORY", "STATE_DIRECTORY"] {
        let setup = setup_with(|command, folder| {
            chown(folder, Some(VICTIM), Some(VICTIM)).unwrap();
            *command = Command::new(&copy);
            as_victim(command.args(["run", "--", "sh", "-c", "echo ready; sleep 600"]))
                .env(variable, folder);
        });
        let wrapper = setup.start();
        wrapper.stdout.wait_for("ready");
        let socket = wrapper.folder.path().join("process-wrapper/control.sock");
        assert!(socket.exists(), "{}", wrapper.stderr.text());
        let mut client = Command::new(&copy);
        let client = as_victim(client.arg("status")).env(variable, wrapper.folder.path());
        let output = client.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    drop(squatted);
}

/// `/run` of a machine, in a mount namespace of its own: systemd gives the directory to the user of
/// a service, and root asks without options.
#[test]
fn root_finds_the_wrapper_of_a_service_without_options() {
    if !is_root() || crate::support::peers::find("setpriv").is_none() {
        return;
    }
    let (_copies, copy) = copy_for_all();
    let wrapper = copy.display();
    let script = |listen: &str, mode: &str| {
        format!(
            "mount -t tmpfs -o mode=755 none /run && mkdir -m {mode} /run/process-wrapper && \
             chown {VICTIM} /run/process-wrapper && \
             {{ RUNTIME_DIRECTORY=/run/process-wrapper setpriv --reuid {VICTIM} --regid {VICTIM} \
             --clear-groups {wrapper} run --exit-when-gone=always {listen} -- sleep 30 & }} && \
             while kill -0 $! && ! find /run/process-wrapper -name control.sock | grep -q .; \
             do sleep 0.05; done; \
             {wrapper} status; code=$?; kill $!; wait $!; exit $code"
        )
    };
    let explicit = "--listen=unix:/run/process-wrapper/control.sock";
    for (listen, mode, code, words) in [
        ("", "755", 0, "running: sleep"),
        (explicit, "700", 0, "running: sleep"),
        (explicit, "775", 2, "writable by other users"),
    ] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script(listen, mode)]);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.output().unwrap();
        let printed = format!("{output:?}");
        assert_eq!(output.status.code(), Some(code), "{printed}");
        assert!(printed.contains(words), "{printed}");
    }
}

/// logind at a user's last logout and next login: it empties the directory and unmounts it, and
/// mounts a new file system after it has made the directory again.
#[test]
fn the_default_socket_comes_back_with_the_runtime_directory_of_its_user() {
    if !is_root() || crate::support::peers::find("setpriv").is_none() {
        return;
    }
    let (_copies, copy) = copy_for_all();
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let script = format!(
        "set -e
        own=$1/own wrapper=$2
        login() {{ mkdir $own; mount -t tmpfs -o mode=700,uid={VICTIM} none $own; }}
        logout() {{ rm -rf $own/*; umount -l $own; rmdir $own; }}
        as_user() {{
            XDG_RUNTIME_DIR=$own setpriv --reuid {VICTIM} --regid {VICTIM} --clear-groups \"$@\"
        }}
        login
        # Without the function, whose subshell would take the signal for the wrapper.
        XDG_RUNTIME_DIR=$own setpriv --reuid {VICTIM} --regid {VICTIM} --clear-groups \
            $wrapper run -- sleep 60 &
        trap 'kill $!; wait $!' EXIT
        as_user $wrapper wait --until running --connect-timeout 20s
        for round in 1 2; do
            logout
            login
            as_user $wrapper status --connect-timeout 20s
        done
        # Only the file.
        rm $own/process-wrapper/control.sock
        as_user $wrapper status --connect-timeout 20s"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.args([folder.path(), &copy]);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        printed.matches("running: sleep").count(),
        4,
        "{printed}{log}"
    );
    for line in ["the socket was removed", "listening again"] {
        assert_eq!(log.matches(line).count(), 3, "{log}");
    }
}
