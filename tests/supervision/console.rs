//! An interactive shell on a terminal of its own, as a person would use it: script(1) around
//! `sh -i`.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{self, Lines, binary};

/// The shell and its terminal; both end with this.
pub(crate) struct Console {
    script: Child,
    keyboard: ChildStdin,
    pub(crate) screen: Lines,
    pub(crate) folder: tempfile::TempDir,
}

impl Console {
    /// Types what a person types; `\x03` is Ctrl-C, `\x1a` is Ctrl-Z.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Types `process-wrapper run … -- COMMAND`, with the end of the line given.
    pub(crate) fn run(&mut self, command: &str, end: &str) {
        self.run_with("", command, end);
    }

    /// The same with more options.
    pub(crate) fn run_with(&mut self, options: &str, command: &str, end: &str) {
        let line = format!(
            "{} run --log-level debug {options} --listen unix:{} -- {command} {end}\n",
            binary().display(),
            self.folder.path().join("control.sock").display()
        );
        self.keys(&line);
    }

    /// The process id after `name=` in the first line of the log that has it.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        let line = self.screen.wait_for(&format!("{name}="));
        let digits = line.rsplit(&format!("{name}=")).next().unwrap();
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse().unwrap()
    }

    /// Ends the shell.
    pub(crate) fn end(mut self) {
        self.keys("exit\n");
        self.ends();
    }

    /// Waits until script(1) has ended, with the shell or what took its place.
    pub(crate) fn ends(mut self) {
        support::wait_for_exit(&mut self.script);
        self.screen.all();
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A failed test must not leave processes: a wrapper outlives its terminal and its process.
        if let Ok(None) = self.script.try_wait() {
            for pid in descendants(self.script.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = self.script.kill();
            let _ = self.script.wait();
        }
    }
}

/// All processes below this one, from /proc/PID/task/PID/children.
fn descendants(pid: u32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let mut found = Vec::new();
    for child in children.unwrap_or_default().split_whitespace() {
        found.push(child.parse().unwrap());
        found.extend(descendants(child.parse().unwrap()));
    }
    found
}

/// A shell with job control; `None`, loudly, without script(1).
pub(crate) fn console() -> Option<Console> {
    support::peers::find("script")?;
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", "sh -i", "/dev/null"])
        .env("PS1", "$ ")
        .env("ENV", "")
        .env_remove("PROCESS_WRAPPER_ADDRESS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let keyboard = script.stdin.take().unwrap();
    let screen = Lines::read(script.stdout.take().unwrap());
    Some(Console {
        script,
        keyboard,
        screen,
        folder: tempfile::tempdir().unwrap(),
    })
}

/// The state letter of a process, proc_pid_stat(5): `T` is stopped.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
