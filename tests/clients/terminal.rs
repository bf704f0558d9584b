//! The live line and the colours: on a terminal only.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Child;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{STAYS, client};
use crate::support::{Lines, start_ready, wait_for_exit};

/// A terminal: the side of the program, and everything that the program writes to it, by lines that
/// end where the live line is drawn anew.
fn terminal() -> (OwnedFd, Lines) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = rustix::fs::open(
        name.as_c_str(),
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    (theirs, Lines::read(Redrawn(File::from(ours))))
}

/// Turns carriage returns into line ends.
struct Redrawn(File);

impl std::io::Read for Redrawn {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // A terminal whose other side is closed says EIO.
        let count = self.0.read(buffer).unwrap_or(0);
        for byte in &mut buffer[..count] {
            if *byte == b'\r' {
                *byte = b'\n';
            }
        }
        Ok(count)
    }
}

fn start(arguments: &[&str], stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) -> Child {
    let mut command = client(arguments);
    if let Some(stdout) = stdout {
        command.stdout(stdout);
    }
    if let Some(stderr) = stderr {
        command.stderr(stderr);
    }
    command.spawn().unwrap()
}

const ERASE: &str = "\x1b[J";

#[test]
fn a_wait_on_a_terminal_shows_a_line_and_erases_it_at_the_end() {
    let wrapper = start_ready(&[], STAYS);
    let (stderr, seen) = terminal();
    let address = wrapper.address();
    let arguments = [
        "shutdown",
        "--wait",
        "--force-after=1h",
        "--timeout=1m",
        "--address",
        &address,
    ];
    let mut process = start(&arguments, None, Some(stderr));
    let line = seen.wait_for("shutting_down, ");
    assert!(line.starts_with(ERASE), "{line:?}");
    assert!(line.contains(" elapsed, timeout in "), "{line:?}");
    let said = super::call(&[
        "shutdown",
        "--force-after=0s",
        "--kill-after=0s",
        "--address",
        &address,
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(wait_for_exit(&mut process).code(), Some(6));
    let all = seen.all();
    assert_eq!(all.lines().last(), Some(ERASE), "{all:?}");
}

#[test]
fn a_warning_stands_above_the_live_line() {
    let wrapper = start_ready(&[], STAYS);
    let (stderr, seen) = terminal();
    let address = wrapper.address();
    let arguments = [
        "shutdown",
        "--wait",
        "--kill-after=1h",
        "--address",
        &address,
    ];
    let mut process = start(&arguments, None, Some(stderr));
    // The line is cleared, the warning has one of its own, and the line is drawn anew.
    let warning = seen.wait_for("Add --force-after");
    let expected = format!("{ERASE}process-wrapper: unix://");
    assert!(warning.starts_with(&expected), "{warning:?}");
    let now = ["--force-after=0s", "--kill-after=0s"];
    let said = super::call(&[&["shutdown", "--address", &address], &now[..]].concat());
    assert_eq!((said.code, &*said.stderr), (0, ""), "{said:?}");
    assert_eq!(wait_for_exit(&mut process).code(), Some(6));
    let all = seen.all();
    assert_eq!(all.lines().last(), Some(ERASE), "{all:?}");
}

#[test]
fn a_wait_writes_nothing_to_a_stderr_that_is_no_terminal() {
    let wrapper = start_ready(&[], STAYS);
    let said = super::call(&[
        "shutdown",
        "--wait",
        "--force-after=0s",
        "--kill-after=1500ms",
        "--address",
        &wrapper.address(),
    ]);
    assert_eq!((said.code, said.stderr.as_str()), (6, ""), "{said:?}");
    assert!(!said.stdout.contains('\x1b'), "{said:?}");
}

#[test]
fn colours_appear_on_terminals_and_on_request() {
    const GREEN: &str = "\x1b[32mrunning\x1b[0m: ";
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let arguments = ["status", "--address", address.as_str()];
    for (variable, value, option, expected) in [
        ("TERM", "xterm", "auto", GREEN),
        ("NO_COLOR", "", "auto", GREEN),
        ("NO_COLOR", "1", "auto", "running: "),
        ("NO_COLOR", "1", "always", GREEN),
        ("TERM", "dumb", "auto", "running: "),
        ("TERM", "xterm", "never", "running: "),
    ] {
        let (stdout, seen) = terminal();
        let mut command = client(&arguments);
        command.args(["--color", option]);
        let mut process = command.env(variable, value).stdout(stdout).spawn().unwrap();
        drop(command);
        assert!(wait_for_exit(&mut process).success());
        let all = seen.all();
        assert!(all.starts_with(expected), "{variable}={value}: {all:?}");
    }
    for (variable, value, option, expected) in [
        ("TERM", "xterm", "auto", "running: "),
        ("CLICOLOR_FORCE", "1", "auto", GREEN),
        ("CLICOLOR_FORCE", "0", "auto", "running: "),
        ("CLICOLOR_FORCE", "1", "never", "running: "),
        ("TERM", "dumb", "always", GREEN),
    ] {
        let mut command = client(&arguments);
        command.args(["--color", option]).env(variable, value);
        let said: super::Said = command.output().unwrap().into();
        assert!(
            said.stdout.starts_with(expected),
            "{variable}={value}: {said:?}"
        );
        command.arg("--output=json");
        let said: super::Said = command.output().unwrap().into();
        assert!(!said.stdout.contains('\x1b'), "{said:?}");
        said.json();
    }
}
