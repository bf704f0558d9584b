//! Runs the commands of one page, one after the other in one shell, isolated: a file system, a
//! network and process ids of its own, by bubblewrap. So the pages may use the default socket and
//! any port, and nothing outlives them.
//!
//! Owns the place. It never judges what came of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::page::{Page, Shown, Use};
use crate::support::{self, peers};

/// Programs of others that pages show; where one is missing its commands are skipped, and CI fails.
const PEERS: [&str; 4] = ["grpcurl", "grpc-health-probe", "curl", "openssl"];

/// What a runner or an agent does with signals, as far as the pages need it.
const RUNNER: &str = "#!/bin/sh
trap 'echo draining; exit 0' QUIT
trap 'exit 0' TERM INT
trap : HUP
while :; do sleep 0.1; done
";

/// Stands in for cargo, which has no place in the sandbox: runs the binary under test.
const CARGO: &str = "#!/bin/sh
[ \"$1 $2 $3\" = 'run --release --' ] || { echo \"not for the sandbox: cargo $*\"; exit 9; }
shift 3
exec process-wrapper \"$@\"
";

/// Waits until the newest `sh` catches or ignores QUIT, the third signal and so the third bit; or
/// has gone.
const TRAPS_SET: &str = r"
for _ in $(seq 200); do
  grep -Eqs 'Sig(Cgt|Ign):.*[4567cdef]$' /proc/$(pgrep -n -x sh)/status && break
  sleep 0.05
done
";

/// How long a page may take.
const SECONDS: &str = "100";

/// What came of one command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) printed: String,
    pub(crate) code: i32,
}

/// The outcome of each command of the page, None where it was not run; None at all where there is
/// no sandbox.
pub(crate) fn run(page: &Page) -> Option<Vec<Option<Outcome>>> {
    let bwrap = peers::find("bwrap")?;
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("last=0\n");
    let mut runs = Vec::new();
    for (n, command) in page.commands.iter().enumerate() {
        let run = !matches!(command.done, Use::NotRun(_)) && needs(command);
        runs.push(run);
        if run {
            script.push_str(&step(n, command));
        }
    }
    std::fs::write(folder.path().join("script"), script).unwrap();
    let said = sandbox(&bwrap, folder.path())
        .args(["timeout", "-s", "KILL", SECONDS, "bash", "/page/script"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let outcome = |n: usize| {
        let read = |end: &str| std::fs::read_to_string(folder.path().join(format!("{n}.{end}")));
        Some(Outcome {
            printed: read("out").unwrap_or_default(),
            code: read("code").ok()?.trim().parse().ok()?,
        })
    };
    let outcomes = runs.iter().enumerate().map(|(n, run)| {
        run.then(|| {
            outcome(n).unwrap_or_else(|| {
                let (path, line) = (page.path.display(), page.commands[n].line);
                panic!("{path}:{line}: did not end, or the shell could not read it: {said:?}")
            })
        })
    });
    Some(outcomes.collect())
}

/// Whether every program of others that the command needs is there.
fn needs(command: &Shown) -> bool {
    let words = || {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        command.text.split(move |c| !letter(c))
    };
    PEERS
        .iter()
        .filter(|peer| words().any(|word| word == **peer))
        .all(|peer| peers::find(peer).is_some())
}

/// The lines of the script that run one command, and keep what it printed and its exit code.
fn step(n: usize, command: &Shown) -> String {
    let text = &command.text;
    let run = format!("(exit $last); {{ {text}\n}} >/page/{n}.out 2>&1 </dev/null");
    match command.done {
        Use::NotRun(_) => String::new(),
        Use::Run => {
            // A user types slower than a shell sets its traps.
            let ready = if text.contains("trap ") {
                TRAPS_SET
            } else {
                ""
            };
            format!("{run}\nlast=$?; echo $last >/page/{n}.code\n{ready}")
        }
        // It serves once it says so; whatever it was started with, TERM stops it.
        Use::UntilStopped => format!(
            "{run} &\nuntil grep -q ' started pid=' /page/{n}.out; do\n  kill -0 $! || break; sleep 0.05\ndone\n\
             kill -TERM \"$(pgrep -n -x process-wrapper)\"; wait $!\nlast=$?; echo $last >/page/{n}.code\n"
        ),
    }
}

fn sandbox(bwrap: &Path, folder: &Path) -> Command {
    let runner = folder.join("gitlab-runner");
    support::write_program(&runner, RUNNER);
    let cargo = folder.join("cargo");
    support::write_program(&cargo, CARGO);
    let config = folder.join("config.toml");
    std::fs::write(&config, "concurrent = 1\n").unwrap();
    let mut command = Command::new(bwrap);
    command.env_clear().args([
        "--unshare-user-try",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--die-with-parent",
        "--new-session",
    ]);
    for path in [
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    ] {
        match std::fs::read_link(path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(path),
            Err(_) => command.args(["--ro-bind-try", path, path]),
        };
    }
    for path in [
        "/etc/alternatives",
        "/etc/group",
        "/etc/ld.so.cache",
        "/etc/passwd",
        "/etc/ssl",
    ] {
        command.args(["--ro-bind-try", path, path]);
    }
    command.args(["--proc", "/proc", "--dev", "/dev"]);
    command.args(["--perms", "1777", "--tmpfs", "/tmp"]);
    command.args(["--perms", "0755", "--tmpfs", "/run"]);
    command.args(["--perms", "0700", "--tmpfs", "/run/user"]);
    command.args(["--perms", "0700", "--tmpfs", "/home/you"]);
    command.arg("--bind").arg(folder).arg("/page");
    let mut programs: Vec<(PathBuf, &str)> = vec![
        (support::binary().to_owned(), "process-wrapper"),
        (runner.clone(), "gitlab-runner"),
        (runner.clone(), "buildkite-agent"),
        (runner.clone(), "worker"),
        (cargo, "cargo"),
    ];
    programs.extend(
        PEERS
            .iter()
            .filter_map(|peer| Some((in_path(peer)?, *peer))),
    );
    for (from, name) in programs {
        let to = format!("/programs/{name}");
        command.arg("--ro-bind").arg(from).arg(to);
    }
    command
        .arg("--ro-bind")
        .arg(&runner)
        .arg("/home/you/run.sh");
    command.arg("--ro-bind").arg(config);
    command.arg("/etc/gitlab-runner/config.toml");
    command.args([
        "--setenv",
        "PATH",
        "/programs:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
    command.args(["--setenv", "HOME", "/home/you", "--chdir", "/home/you"]);
    command.args(["--setenv", "XDG_RUNTIME_DIR", "/run/user"]);
    command.args(["--setenv", "LC_ALL", "C.UTF-8", "--"]);
    command
}

/// Without a word where it is missing: that is said for the command that needs it.
fn in_path(program: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    std::env::split_paths(&std::env::var_os("PATH")?)
        .chain(home)
        .map(|folder| folder.join(program))
        .find_map(|file| file.canonicalize().ok())
}
