//! A machine whose PID 1 is systemd: a container with our binary and a stand-in for the runner.
//!
//! Owns the container, which ends with the test however the test ends. It tests nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::peers::{self, Peer};
use crate::support::{self, DEADLINE, Lines};

/// Where the unit has its programs.
const WRAPPER: &str = "/usr/local/bin/process-wrapper";
const RUNNER: &str = "/usr/local/bin/gitlab-runner";

/// The longest life of a container whose test was killed together with its keeper, in seconds.
const MAX_LIFE: &str = "300";

/// A booted machine.
pub(crate) struct Machine {
    name: String,
    /// Its PID 1, as the host sees it.
    init: u32,
    journal: Peer,
    keeper: Child,
}

impl Machine {
    /// Boots one, or skips the test: `None`.
    pub(crate) fn boot() -> Option<Self> {
        static BOOTED: AtomicU32 = AtomicU32::new(0);
        peers::find("podman")?;
        peers::find("nsenter")?;
        if !rustix::process::geteuid().is_root() {
            peers::missing("the right to boot a container (root)");
            return None;
        }
        let image = image()?;
        let number = BOOTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("process-wrapper-systemd-{}-{number}", std::process::id());
        let keeper = keeper(&name);
        let mut command = run();
        command.args(["--detach", "--timeout", MAX_LIFE, "--systemd=always"]);
        command.args(["--name", &name, "--hostname", "machine"]);
        for (file, place) in [
            (wrapper(), WRAPPER),
            (source("stub-runner"), RUNNER),
            (source("stub-runner"), "/usr/bin/gitlab-runner"),
            (
                source("short.conf"),
                "/etc/systemd/system.conf.d/short.conf",
            ),
        ] {
            let mount = format!("{}:{place}:ro", file.display());
            command.args(["--volume", &mount]);
        }
        succeed(command.arg(image).arg("/sbin/init"));
        let pid = succeed(podman("30").args(["inspect", "--format", "{{.State.Pid}}", &name]));
        let init = pid.trim().parse().unwrap();
        eventually("systemd answers", || {
            let words = ["timeout", "30", "systemctl", "is-system-running", "--wait"];
            let mut answer = enter(init, &words);
            let state = answer.output().unwrap().stdout;
            // Degraded: some other unit does not start on this kernel.
            ["running", "degraded"]
                .contains(&String::from_utf8(state).unwrap().trim())
                .then_some(())
        });
        let mut journal = podman(MAX_LIFE);
        journal.args(["exec", &name, "journalctl", "--follow", "--lines=all"]);
        // Not the kernel's lines, which other machines write too.
        journal.args(["--output=cat", "_TRANSPORT=stdout", "_TRANSPORT=journal"]);
        let machine = Self {
            journal: Peer::start(journal),
            name,
            init,
            keeper,
        };
        // As the unit asks for it.
        let directory = "/var/lib/gitlab-runner";
        let owner = ["-o", "gitlab-runner", "-g", "gitlab-runner"];
        machine.run(&[&["install", "-d", "-m", "0750"], &owner[..], &[directory]].concat());
        Some(machine)
    }

    /// What every unit and systemd itself has logged.
    pub(crate) fn journal(&self) -> &Lines {
        &self.journal.lines
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = PathBuf::from(format!("/proc/{}/root{path}", self.init));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Installs a unit, and starts it.
    pub(crate) fn start(&self, unit: &str, text: &str) {
        self.write(&format!("/etc/systemd/system/{unit}"), text);
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["start", unit]);
    }

    /// Changes a unit before its start.
    pub(crate) fn drop_in(&self, unit: &str, text: &str) {
        self.write(&format!("/run/systemd/system/{unit}.d/test.conf"), text);
    }

    /// A command in the machine, as root.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        enter(self.init, words)
    }

    /// Runs a command in the machine that has to succeed, and answers with what it prints.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        succeed(&mut self.command(words))
    }

    pub(crate) fn systemctl(&self, words: &[&str]) {
        self.run(&[&["systemctl"], words].concat());
    }

    /// Replaces the running systemd by itself, as an upgrade of its package does.
    pub(crate) fn reexec(&self) {
        const LOADED: &str = "UnitsLoadTimestampMonotonic";
        let before = self.property("", LOADED);
        self.systemctl(&["daemon-reexec"]);
        eventually("the new systemd has loaded the units", || {
            (self.property("", LOADED) != before).then_some(())
        });
    }

    /// A property of a unit now; without a unit, one of systemd itself.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        let mut command = self.command(&["systemctl", "show", "--value", "--property", name]);
        if !unit.is_empty() {
            command.arg(unit);
        }
        // systemd refuses connections while it replaces itself.
        eventually("systemd answers", || {
            let output = command.output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            output.status.success().then(|| text.trim().to_owned())
        })
    }

    /// Waits for this value of a unit's property.
    pub(crate) fn wait_for(&self, unit: &str, name: &str, value: &str) {
        eventually(&format!("{name}={value} of {unit}"), || {
            (self.property(unit, name) == value).then_some(())
        });
    }

    /// Waits until the unit's status begins so.
    pub(crate) fn wait_for_status(&self, unit: &str, start: &str) {
        eventually(&format!("a status of {unit} with {start:?}"), || {
            let status = self.property(unit, "StatusText");
            status.starts_with(start).then_some(())
        });
    }

    /// Waits until the machine is off.
    pub(crate) fn wait_for_end(&self) {
        let init = format!("/proc/{}", self.init);
        eventually("the machine is off", || {
            (!Path::new(&init).exists()).then_some(())
        });
    }

    /// Sends a signal to a process of the machine.
    pub(crate) fn kill(&self, signal: &str, pid: &str) {
        self.run(&["kill", "-s", signal, pid]);
    }

    pub(crate) fn lives(&self, pid: &str) -> bool {
        let entry = format!("/proc/{}/root/proc/{pid}", self.init);
        Path::new(&entry).exists()
    }

    /// Waits for the nth start of a stand-in with this word among its arguments.
    pub(crate) fn runner(&self, word: &str, nth: usize) -> Runner {
        let started = eventually(&format!("start {nth} of a runner with {word}"), || {
            let text = self.journal().text();
            let mut lines = text.lines().filter(|line| {
                line.starts_with("stub ") && line.contains(" started ") && line.contains(word)
            });
            lines.nth(nth - 1).map(str::to_owned)
        });
        let after = |word: &str| {
            let mut words = started.split([' ', ':']).skip_while(|each| *each != word);
            words.nth(1).unwrap().to_owned()
        };
        Runner {
            pid: after("stub"),
            job: after("job"),
            user: after("as"),
        }
    }

    /// Waits for a line of this runner.
    pub(crate) fn says(&self, runner: &Runner, word: &str) {
        self.journal()
            .wait_for(&format!("stub {} {word}", runner.pid));
    }

    /// Whether the runner has printed such a line by now.
    pub(crate) fn has_said(&self, runner: &Runner, word: &str) -> bool {
        let line = format!("stub {} {word}", runner.pid);
        self.journal().text().contains(&line)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.journal().text();
            let text = format!("--- the journal of {}:\n{text}---\n", self.name);
            let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A stand-in that runs.
pub(crate) struct Runner {
    pub(crate) pid: String,
    pub(crate) job: String,
    pub(crate) user: String,
}

/// Removes the container once the test's end of its stdin is closed, which the kernel does when the
/// test is killed.
fn keeper(name: &str) -> Child {
    use std::os::unix::process::CommandExt as _;
    let remove = "cat; podman rm --force --time 0 --ignore \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", remove, name]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // What ends the test's process group spares it.
    command.process_group(0);
    command.spawn().unwrap()
}

/// A command in the machine; quicker than `podman exec`.
fn enter(init: u32, words: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--all", "--target", &init.to_string(), "--"]);
    command.args(words);
    command.env("PATH", "/usr/local/bin:/usr/bin:/usr/sbin");
    command.stdin(Stdio::null());
    command
}

/// podman, which ends after this many seconds.
fn podman(limit: &str) -> Command {
    let mut command = Command::new("timeout");
    // --foreground: it stays in the process group of the test.
    command.args(["--foreground", "--kill-after=5", limit, "podman"]);
    // crun raises limits whatever it is told.
    if Path::new("/usr/sbin/runc").exists() {
        command.args(["--runtime", "/usr/sbin/runc"]);
    }
    command.stdin(Stdio::null());
    command
}

/// The start of a container, without its image.
fn run() -> Command {
    let mut command = podman("60");
    // systemd mounts file systems for the sandboxes of units. A machine without
    // CAP_SYS_RESOURCE may not raise limits to podman's defaults.
    command.args(["run", "--rm", "--privileged", "--network=none"]);
    command.args(["--ulimit=nofile=1024:4096", "--ulimit=nproc=1024:4096"]);
    command
}

/// The wrapper that the machine has: the static build if there is one, else the one under test.
fn wrapper() -> PathBuf {
    let built = std::env::var_os("PROCESS_WRAPPER_STATIC_BINARY");
    built.map_or_else(|| support::binary().to_owned(), PathBuf::from)
}

/// A file of this test.
pub(crate) fn source(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/systemd", file]
        .iter()
        .collect()
}

/// The image of the root file system that `.ci/run` has installed, imported once. `None` also where
/// podman cannot start a container of it.
fn image() -> Option<&'static str> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    IMAGE.get_or_init(import).as_deref()
}

fn import() -> Option<String> {
    let root = peers::tools().join("systemd/root.tar");
    let Ok(about) = fs::metadata(&root) else {
        peers::missing(&format!("{}, which .ci/run installs,", root.display()));
        return None;
    };
    let written = about.modified().unwrap();
    let age = written.duration_since(std::time::UNIX_EPOCH).unwrap();
    let image = format!("localhost/process-wrapper-systemd:{}", age.as_nanos());
    let exists = ["image", "exists", &image];
    if !podman("30").args(exists).output().unwrap().status.success() {
        remove_old_images();
        works(podman("120").arg("import").arg(&root).arg(&image))?;
    }
    works(run().arg(&image).arg("true"))?;
    Some(image)
}

/// Removes the images of earlier root file systems. Another run may use one: not in the first hour,
/// and not while a container has it.
fn remove_old_images() {
    let mut command = podman("30");
    command.args(["images", "--quiet", "--filter", "until=1h"]);
    command.args(["--filter", "reference=localhost/process-wrapper-systemd"]);
    let output = command.output().unwrap().stdout;
    for image in String::from_utf8(output).unwrap().lines() {
        let _ = podman("30").args(["rmi", image]).output().unwrap();
    }
}

/// Runs a command that shows whether this machine can boot a container; else skips the test.
fn works(command: &mut Command) -> Option<()> {
    let Output { status, stderr, .. } = command.output().unwrap();
    if !status.success() {
        let errors = String::from_utf8_lossy(&stderr);
        peers::missing(&format!(
            "the right to boot a container ({})",
            errors.trim()
        ));
    }
    status.success().then_some(())
}

/// Runs it, and answers with its stdout.
fn succeed(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}: {errors}");
    String::from_utf8(stdout).unwrap()
}

/// Waits until there is an answer about the machine, which has no event to wait for.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
