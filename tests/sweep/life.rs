//! One life of a wrapper under an injected error: start, status, drain, exit, after-exit, stop.
//!
//! Owns the course and the verdict. Nothing is slept to be right: each wait is for an event, with a
//! deadline that only a hang reaches. The two pauses measure a busy loop.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::Lines;
use crate::table::{Case, Course, When};

/// Longer than any wait of the wrapper's own, on a loaded machine too.
const DEADLINE: Duration = Duration::from_secs(40);

/// The time in which calls are counted, and the most that no loop makes: backoffs take 20 ms and
/// more.
const PAUSE: Duration = Duration::from_millis(250);
const MAX_CALLS: usize = 150;

/// What the process does: it exits with code 7 when it is told to.
const PROCESS: &str = "trap 'echo end >>$1/ends; exit 7' QUIT TERM; echo run >>$1/runs; echo ready; \
     while :; do sleep 0.1 & wait $!; done";

/// A wrapper under strace, in a session of its own.
struct Life {
    wrapper: Child,
    stdout: Lines,
    stderr: Lines,
    folder: tempfile::TempDir,
    binary: PathBuf,
}

/// Which calls a life without injection makes.
pub(crate) fn trace(binary: &Path, course: Course) -> BTreeSet<String> {
    let life = Life::start(binary, course, &[]);
    let folder = life.folder.path().to_owned();
    let trace = folder.join("trace");
    let (_, text) = life.run(false, || std::fs::read_to_string(&trace).unwrap());
    text.lines()
        .filter_map(|line| {
            let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let line = line.strip_prefix("<... ").unwrap_or(line);
            let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            (end > 0).then(|| line[..end].to_owned())
        })
        .collect()
}

/// What is wrong with the life under this injection, or nothing.
pub(crate) fn verdict(binary: &Path, case: &Case) -> Result<(), String> {
    let inject = format!("inject={}", case.injection());
    let trace = format!("trace={}", case.call);
    let life = Life::start(binary, case.course, &["-e", &trace, "-e", &inject]);
    let (end, ()) = life.run(case.when == When::Always, || ());
    let mut wrong = end.judge(case);
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.push(end.stderr.chars().take(3000).collect());
    Err(format!("{case:?}: {}", wrong.join("\n  ")))
}

/// How a life ended.
struct End {
    status: Option<ExitStatus>,
    stderr: String,
    /// What the two client commands reported; `None` where the wrapper had ended.
    calls: Vec<Output>,
    spins: Vec<usize>,
    left: Vec<String>,
    runs: usize,
    ends: usize,
    afters: usize,
}

impl Life {
    fn start(binary: &Path, course: Course, strace: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let mut command = Command::new("setsid");
        // -D: the wrapper stays our child.
        command.args(["strace", "-D", "-f"]);
        if course != Course::Helpers {
            // Leaves alone what is executed: the process, the command and the helpers.
            command.args(["-b", "execve"]);
        }
        command.arg("-o");
        command.arg(folder.path().join("trace")).args(strace);
        command.arg(binary).arg("run");
        command.args(["--listen", &format!("unix:{path}/control.sock")]);
        command.arg("--after-exit");
        command.arg(format!("sh -c 'echo after >>{path}/afters'"));
        if course != Course::Plain {
            command.arg("--on-wrapper-death=TERM");
        }
        command
            .args(["--", "sh", "-c", PROCESS, "sh"])
            .arg(folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PROCESS_WRAPPER_") {
                command.env_remove(name);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut wrapper = command.spawn().unwrap();
        Self {
            stdout: Lines::read(wrapper.stdout.take().unwrap()),
            stderr: Lines::read(wrapper.stderr.take().unwrap()),
            wrapper,
            folder,
            binary: binary.to_owned(),
        }
    }

    /// Runs the course; `last` runs before the files are removed.
    fn run<T>(mut self, counts: bool, last: impl FnOnce() -> T) -> (End, T) {
        let mut calls = Vec::new();
        let mut spins = Vec::new();
        let ready = self.wait(|life| life.stdout.text().contains("ready"));
        if ready {
            calls.push(self.client(&["status", "--connect-timeout=1s"]));
            if counts {
                spins.push(self.calls_in_a_pause());
            }
            calls.push(self.client(&[
                "shutdown",
                "--wait",
                "--timeout=10s",
                "--connect-timeout=2s",
            ]));
            if counts {
                spins.push(self.calls_in_a_pause());
            }
        }
        let pid = Pid::from_raw(i32::try_from(self.wrapper.id()).unwrap());
        if self.wrapper.try_wait().unwrap().is_none() {
            // Ends a process that no call has reached as well.
            kill(pid, Signal::SIGTERM).unwrap();
        }
        self.wait(|_| false);
        let status = self.wrapper.try_wait().unwrap();
        if status.is_none() {
            let _ = self.wrapper.kill();
            let _ = self.wrapper.wait();
        }
        let left = leftovers(pid.as_raw());
        let stderr = self.stderr.all();
        let count = |name: &str| {
            let text = std::fs::read_to_string(self.folder.path().join(name));
            text.unwrap_or_default().lines().count()
        };
        let end = End {
            status,
            stderr,
            calls,
            spins,
            left,
            runs: count("runs"),
            ends: count("ends"),
            afters: count("afters"),
        };
        (end, last())
    }

    /// Waits for a condition or the end of the wrapper; whether the condition came first.
    fn wait(&mut self, condition: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if condition(self) {
                return true;
            }
            if self.wrapper.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    fn client(&self, arguments: &[&str]) -> Output {
        let address = format!("unix:{}/control.sock", self.folder.path().display());
        Command::new(&self.binary)
            .args(arguments)
            .args(["--address", &address])
            .output()
            .unwrap()
    }

    fn calls_in_a_pause(&self) -> usize {
        let lines = || {
            let trace = std::fs::read(self.folder.path().join("trace")).unwrap();
            trace.iter().filter(|byte| **byte == b'\n').count()
        };
        let before = lines();
        std::thread::sleep(PAUSE);
        lines() - before
    }
}

/// The processes of a session, once they had time to end; kills them. strace ends by itself.
fn leftovers(session: i32) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = members(session);
        if left.is_empty() || Instant::now() > deadline {
            for (pid, _) in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            return left.into_iter().map(|(_, name)| name).collect();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn members(session: i32) -> Vec<(i32, String)> {
    let mut members = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((head, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        let Some((pid, name)) = head.split_once(" (") else {
            continue;
        };
        let fields: Vec<_> = fields.split_whitespace().collect();
        if fields[3] == session.to_string() && fields[0] != "Z" && name != "strace" {
            members.push((pid.parse().unwrap(), name.to_owned()));
        }
    }
    members
}

impl End {
    fn judge(&self, case: &Case) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(status) = self.status else {
            return vec!["it hangs".to_owned()];
        };
        if let Some(signal) = status.signal() {
            wrong.push(format!("signal {signal} ended it"));
        }
        if self.stderr.contains("panicked") {
            wrong.push("it panicked".to_owned());
        }
        if !self.left.is_empty() {
            wrong.push(format!("left behind: {:?}", self.left));
        }
        if self.runs > 1 || self.afters > 1 {
            wrong.push(format!("run {} and {} times", self.runs, self.afters));
        }
        for calls in &self.spins {
            if *calls > MAX_CALLS {
                wrong.push(format!("{calls} calls in {PAUSE:?}"));
            }
        }
        // A log that cannot be written cannot report.
        let mute = ["write", "pwritev2"].contains(&case.call);
        let lines = || self.stderr.lines();
        let failed = lines().any(|line| line.starts_with("process-wrapper: "));
        let before_main = self.stderr.contains("error while loading shared libraries");
        let warned = lines().any(|line| line.contains(" WARN ") || line.contains(" ERROR "));
        match status.code() {
            Some(7) if self.ends == 1 => {}
            Some(1 | 2 | 126) if self.ends == 0 && (failed || mute) => {}
            Some(127) if before_main => {}
            code => wrong.push(format!(
                "code {code:?} after {} ends, in silence",
                self.ends
            )),
        }
        if status.code() == Some(7) && self.afters == 0 && !warned && !mute {
            wrong.push("no after-exit command, in silence".to_owned());
        }
        for call in &self.calls {
            // 5: the process did not exit with 0.
            if matches!(call.status.code(), Some(0 | 5)) {
                continue;
            }
            if call.stderr.is_empty() {
                wrong.push("a client failed in silence".to_owned());
            }
            // A broken connection is its peer's business.
            let broken = ["recvfrom", "sendto"].contains(&case.call);
            if case.when == When::Always && !broken && !warned && !mute {
                wrong.push(format!("no call succeeds, in silence: {call:?}"));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each verdict can fail: a life without a fault is right, and each change makes it wrong.
    #[test]
    fn every_flaw_is_found() {
        let case = Case {
            call: "read",
            error: "EIO",
            when: When::Always,
            course: Course::Plain,
        };
        let right = || End {
            status: Some(ExitStatus::from_raw(7 << 8)),
            stderr: String::new(),
            calls: Vec::new(),
            spins: vec![3],
            left: Vec::new(),
            runs: 1,
            ends: 1,
            afters: 1,
        };
        assert_eq!(right().judge(&case), [""; 0]);
        let flaws: [fn(&mut End); 10] = [
            |end| end.status = None,
            |end| end.status = Some(ExitStatus::from_raw(6)),
            |end| end.status = Some(ExitStatus::from_raw(1 << 8)),
            |end| (end.status, end.ends) = (Some(ExitStatus::from_raw(1 << 8)), 0),
            |end| end.stderr = "thread main panicked".to_owned(),
            |end| end.spins = vec![MAX_CALLS + 1],
            |end| end.left = vec!["sh".to_owned()],
            |end| end.runs = 2,
            |end| end.afters = 2,
            |end| end.afters = 0,
        ];
        for (number, flaw) in flaws.into_iter().enumerate() {
            let mut end = right();
            flaw(&mut end);
            assert_ne!(end.judge(&case), [""; 0], "flaw {number}");
        }
    }
}
